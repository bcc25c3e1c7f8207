import { types } from 'node:util';
import type { MethodCall } from './decorated-method';
import { InvalidArgumentError } from '../persist-pg.errors';

/** What a decorator was given for one of its arguments: the same for every call, or a function of what the method is called with. */
export type MethodArgument<T> = T | ((...args: any[]) => T);

/** The argument of this call; whatever goes wrong in a function is an `InvalidArgumentError` that names the argument and the method. */
export function argumentOf<T>(argument: string, given: MethodArgument<T>, call: MethodCall): T {
  if (typeof given !== 'function') return given;
  try {
    const made = (given as (...args: any[]) => T)(...call.args);
    if (types.isPromise(made)) made.catch(() => {}); // It is refused, whatever it comes to.
    return made;
  } catch (cause) {
    throw new InvalidArgumentError(argument, `function of ${placeOf(call)} threw: ${messageOf(cause)}`, { cause });
  }
}

/** The same for a text that must not be empty. */
export function textOf(argument: string, given: MethodArgument<string>, call: MethodCall): string {
  return checkText(argument, argumentOf<unknown>(argument, given, call), call);
}

/** The same for a list of such texts. */
export function textsOf(argument: string, given: MethodArgument<readonly string[]>, call: MethodCall): string[] {
  const texts = argumentOf<unknown>(argument, given, call);
  if (!Array.isArray(texts)) throw new InvalidArgumentError(argument, `of ${placeOf(call)} must be a list of texts, not ${nameOf(texts)}`);
  return texts.map((text) => checkText(argument, text, call));
}

/** `Class.method()`, for messages. */
export function placeOf({ className, method }: MethodCall): string {
  return `${className}.${method}()`;
}

function checkText(argument: string, text: unknown, call: MethodCall): string {
  if (typeof text !== 'string') throw new InvalidArgumentError(argument, `of ${placeOf(call)} must be a text, not ${nameOf(text)}`);
  if (text === '') throw new InvalidArgumentError(argument, `of ${placeOf(call)} is empty`);
  return text;
}

function nameOf(value: unknown): string {
  if (types.isPromise(value)) return 'a promise: the function cannot be asynchronous';
  if (value === null || value === undefined) return String(value);
  return Array.isArray(value) ? 'a list' : `of type ${typeof value}`;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
