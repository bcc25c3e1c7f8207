import { codeOf, PersistPgError, type ErrorDetails } from '../persist-pg.errors';

/** The factory failed in another process; the message is that of its error. */
export class FactoryFailedError extends PersistPgError {
  readonly code = 'FACTORY_FAILED';
  /** Key of the entry. */
  readonly key: string;

  constructor(key: string, message: string, details?: ErrorDetails) {
    super(message, details);
    this.key = key;
  }
}

/** The factory took longer than the hard timeout. */
export class FactoryTimeoutError extends PersistPgError {
  readonly code = 'FACTORY_TIMEOUT';
  /** Key of the entry. */
  readonly key: string;

  constructor(key: string, hardTimeout: number, details?: ErrorDetails) {
    super(`the factory of ${JSON.stringify(key)} took longer than ${hardTimeout} ms`, details);
    this.key = key;
  }
}

codeOf(FactoryFailedError, 'FACTORY_FAILED');
codeOf(FactoryTimeoutError, 'FACTORY_TIMEOUT');
