import type { StandardSchemaV1 } from '@standard-schema/spec';
import { InvalidValueError } from '../persist-pg.errors';
import type { ResolvedDefinition } from './collection-definition';

/** The schema of a collection, if it has one, asked in both directions. */
export class CollectionSchema<Out> {
  /** Whether there is anything to ask. */
  readonly given: boolean;
  private readonly schema: StandardSchemaV1 | undefined;

  constructor(private readonly definition: ResolvedDefinition) {
    this.schema = definition.schema;
    this.given = this.schema !== undefined;
  }

  /** Whether what does not fit is to be deleted when it is read. */
  get deletes(): boolean {
    return this.definition.onInvalid === 'delete';
  }

  /** Throws or rejects with `InvalidValueError` if the value may not be written; a promise only if the schema needs one. */
  accept(id: string, value: unknown): Promise<void> | undefined {
    const result = this.schema?.['~standard'].validate(value);
    if (result instanceof Promise) return result.then((late) => refuse(id, late.issues));
    refuse(id, result?.issues);
    return undefined;
  }

  /** What the schema makes of a value that was kept. */
  async read(value: unknown): Promise<StandardSchemaV1.Result<Out>> {
    if (this.schema === undefined) return { value: value as Out };
    return (await this.schema['~standard'].validate(value)) as StandardSchemaV1.Result<Out>;
  }

  /** What a value that does not fit is on reading: an error, or nothing. */
  misfit(id: string, issues: readonly StandardSchemaV1.Issue[]): undefined {
    if (this.definition.onInvalid === 'throw') refuse(id, issues);
    return undefined;
  }
}

function refuse(id: string, issues: readonly StandardSchemaV1.Issue[] | undefined): void {
  if (issues !== undefined) throw new InvalidValueError(id, issues);
}
