import { causedByClients } from '../client-error';
import { codeOf, PersistPgError, type ErrorDetails } from '../persist-pg.errors';

/** Values are taken; HTTP 409. */
export class ReservationConflictError extends PersistPgError {
  readonly code = 'RESERVATION_CONFLICT';
  /** Where. */
  readonly collection: string;
  /** The fields whose values others hold. */
  readonly fields: readonly string[];

  constructor(collection: string, fields: readonly string[], details?: ErrorDetails) {
    super(`${fields.join(' and ')} ${fields.length === 1 ? 'is' : 'are'} taken`, { ...details, status: 409 });
    this.collection = collection;
    this.fields = fields;
  }
}

codeOf(ReservationConflictError, 'RESERVATION_CONFLICT');
causedByClients(ReservationConflictError);
