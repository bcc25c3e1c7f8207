/** A decorator for methods that return a promise and take at least the arguments `A`. */
export type AsyncMethodDecorator<A extends any[]> = <M extends (...args: [...A, ...any[]]) => Promise<any>>(
  target: object,
  property: string | symbol,
  descriptor: TypedPropertyDescriptor<M>,
) => void;

/** As `AsyncMethodDecorator`, for methods that may be skipped: their result must allow `undefined`. */
export type SkippableMethodDecorator<A extends any[]> = <M extends (...args: [...A, ...any[]]) => Promise<any>>(
  target: object,
  property: string | symbol,
  descriptor: TypedPropertyDescriptor<M> &
    (Awaited<ReturnType<M>> extends infer R
      ? undefined extends R
        ? unknown
        : void extends R
          ? unknown
          : { error: "a skipped call resolves to undefined: return void, or pass { onBusy: 'throw' }" }
      : never),
) => void;
