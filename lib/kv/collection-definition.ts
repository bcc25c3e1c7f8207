import type { StandardSchemaV1 } from '@standard-schema/spec';
import { durationMs } from '../duration';
import { InvalidArgumentError } from '../persist-pg.errors';
import type { CollectionDefinition, CollectionOptions } from './collection';
import { checkFieldPath } from './field-path';
import { nestedNamespace } from './kv-key';
import { readOptions } from '../argument-checks';

/** A definition, checked and with its defaults. */
export interface ResolvedDefinition {
  readonly name: string;
  readonly schema: StandardSchemaV1 | undefined;
  readonly ttl: number | undefined;
  readonly indexes: readonly string[];
  readonly onInvalid: 'throw' | 'miss' | 'delete';
}

const maxIndexes = 32;
const optionNames = ['schema', 'ttl', 'indexes', 'onInvalid'] as const;

/**
 * Says a collection once, for `forFeature([Users])` and `@InjectCollection(Users)`.
 *
 * @example export const Users = defineCollection('users', { schema: z.object({ email: z.email() }), ttl: '30d' });
 */
export function defineCollection<S extends StandardSchemaV1>(
  name: string,
  options: CollectionOptions & { schema: S },
): CollectionDefinition<StandardSchemaV1.InferOutput<S>, StandardSchemaV1.InferInput<S>>;
export function defineCollection<T>(name: string, options?: CollectionOptions & { schema?: undefined }): CollectionDefinition<T>;
export function defineCollection(
  name: string,
  options: CollectionOptions & { schema?: StandardSchemaV1 | undefined } = {},
): CollectionDefinition<any, any> {
  readDefinition(name, options);
  return { ...options, name, schema: options.schema };
}

/** Reads a definition, or a name and options. */
export function readDefinition(nameOrDefinition: unknown, options?: unknown): ResolvedDefinition {
  if (typeof nameOrDefinition === 'object' && nameOrDefinition !== null) {
    const { name, ...rest } = nameOrDefinition as { name?: unknown };
    return readDefinition(name, rest);
  }
  const read = readOptions(options, optionNames);
  return {
    name: checkName(nameOrDefinition),
    schema: read.schema === undefined ? undefined : readSchema(read.schema),
    ttl: read.ttl === undefined ? undefined : durationMs('ttl', read.ttl),
    indexes: read.indexes === undefined ? [] : readIndexes(read.indexes),
    onInvalid: readOnInvalid(read.onInvalid),
  };
}

function checkName(name: unknown): string {
  return nestedNamespace('', name, 'collection');
}

function readSchema(schema: unknown): StandardSchemaV1 {
  const standard = (schema as Partial<StandardSchemaV1> | null)?.['~standard'];
  if (typeof standard?.validate !== 'function') {
    throw new InvalidArgumentError('schema', 'is not a Standard Schema, such as those of zod, valibot and arktype');
  }
  return schema as StandardSchemaV1;
}

function readIndexes(paths: unknown): readonly string[] {
  if (!Array.isArray(paths) || paths.length > maxIndexes) {
    throw new InvalidArgumentError('indexes', `must be an array of at most ${maxIndexes} field paths`);
  }
  return [...new Set(paths.map((path) => checkFieldPath(path, 'indexes')))];
}

function readOnInvalid(onInvalid: unknown): 'throw' | 'miss' | 'delete' {
  if (onInvalid === undefined) return 'throw';
  if (onInvalid === 'throw' || onInvalid === 'miss' || onInvalid === 'delete') return onInvalid;
  throw new InvalidArgumentError('onInvalid', `must be throw, miss or delete, not ${String(onInvalid)}`);
}
