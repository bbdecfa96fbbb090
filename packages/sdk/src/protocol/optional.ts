import * as z from "zod/mini";

/**
 * A field of JSON that may be missing. The library's `exactOptional` reads what is missing as if it were there, and throws away what it has to say of
 * it, which is most of what reading a frame takes; its `optional` reads nothing. They differ in `undefined`, which JSON does not have.
 */
export function optional<T extends z.ZodMiniType>(field: T): z.ZodMiniExactOptional<T> {
  return z.optional(field) as unknown as z.ZodMiniExactOptional<T>;
}
