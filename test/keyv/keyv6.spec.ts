import { vi } from 'vitest';
import { describeKeyv } from './keyv-behaviour';

vi.mock('keyv', () => import('keyv6'));

describeKeyv('Keyv 6');
