import { describeKeyv } from './keyv-behaviour';

describeKeyv('Keyv 5');
