import { describeRaces } from './describe-races';

describeRaces(20);
