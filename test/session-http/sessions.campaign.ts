import { describeRaces } from './describe-races';

describeRaces(Number(process.env['ROUNDS'] ?? 500));
