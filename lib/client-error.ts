import { IntrinsicException } from '@nestjs/common';

/**
 * Has Nest answer such an error without logging it. It logs every error with its stack but its own and these, so that whoever
 * floods a limit, or tries names that are taken, would flood the log. `instanceof PersistPgError` goes by the brand, not
 * by the prototype that is replaced here.
 */
export function causedByClients(errorClass: { readonly prototype: Error }): void {
  Object.setPrototypeOf(errorClass.prototype, IntrinsicException.prototype);
}
