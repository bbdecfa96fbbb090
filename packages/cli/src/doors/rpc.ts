/** JSON-RPC 2.0, one object a line. */
import { Buffer, isUtf8 } from "node:buffer";
import type { Readable } from "node:stream";
import * as z from "zod/mini";
import { codes } from "./pipe-schema.ts";

const Request = z.object({
  jsonrpc: z.literal("2.0"),
  id: z.optional(z.union([z.string(), z.number(), z.null()])),
  method: z.string(),
  params: z.optional(z.record(z.string(), z.unknown())),
});
type RequestId = string | number | null;

/** An error as its caller sees it. */
export class RpcError extends Error {
  readonly code: number;
  readonly data: object | undefined;
  constructor(code: number, message: string, data?: object) {
    super(message);
    this.code = code;
    this.data = data;
  }
}

export interface Rpc {
  /** Bytes of a line that is read. */
  longest: number;
  /** @throws RpcError */
  call: (method: string, params: Record<string, unknown>) => Promise<unknown>;
  write: (value: object) => Promise<void>;
  /** The input has ended: what nobody can settle any more is let go of, and what was asked before is answered. */
  ended: () => void;
}

/** Answers requests, which may overlap, until the input ends. A line that cannot be read is an error, and nothing else is lost. */
export async function serve(input: Readable, rpc: Rpc): Promise<void> {
  const running = new Set<Promise<void>>();
  for await (const line of linesOf(input, rpc.longest)) {
    const task: Promise<void> = answer(line, rpc).finally(() => running.delete(task));
    running.add(task);
  }
  rpc.ended();
  await Promise.all(running);
}

async function answer(line: Buffer | undefined, { call, write, longest }: Rpc): Promise<void> {
  const fail = (id: RequestId, { code, message, data }: RpcError): Promise<void> =>
    write({ jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } });
  if (line === undefined) return fail(null, new RpcError(codes.request, `a line has more than ${longest} bytes`));
  // Else something would be sent that was never written.
  if (!isUtf8(line)) return fail(null, new RpcError(codes.parse, "a line is no UTF-8 text"));
  let value: unknown;
  try {
    value = JSON.parse(line.toString("utf8"));
  } catch {
    return fail(null, new RpcError(codes.parse, "a line is no JSON"));
  }
  const { data: request } = Request.safeParse(value);
  if (request === undefined) {
    const { id } = (value ?? {}) as { id?: unknown };
    const named = typeof id === "string" || typeof id === "number" ? id : null;
    return fail(named, new RpcError(codes.request, "a line is no request of JSON-RPC 2.0"));
  }
  const { id, method, params = {} } = request;
  try {
    const result = await call(method, params);
    // A notification of the program's wants no answer.
    if (id !== undefined) await write({ jsonrpc: "2.0", id, result });
  } catch (error) {
    if (!(error instanceof RpcError)) throw error;
    if (id !== undefined) await fail(id, error);
  }
}

const LINE_BREAK = 10;

/** Lines, undefined for one that is too long; an empty one is none. */
async function* linesOf(input: Readable, longest: number): AsyncGenerator<Buffer | undefined> {
  let parts: Buffer[] = [];
  let length = 0;
  const take = (part: Buffer): void => {
    length += part.length;
    // Of what is too long nothing is kept.
    if (length > longest) parts = [];
    else parts.push(part);
  };
  const end = (): Buffer | undefined => {
    const line = length > longest ? undefined : Buffer.concat(parts);
    [parts, length] = [[], 0];
    return line;
  };
  for await (const chunk of input as AsyncIterable<Buffer | string>) {
    const bytes = typeof chunk === "string" ? Buffer.from(chunk) : chunk;
    let from = 0;
    for (let at; (at = bytes.indexOf(LINE_BREAK, from)) >= 0; from = at + 1) {
      take(bytes.subarray(from, at));
      const line = end();
      if (line === undefined || !isBlank(line)) yield line;
    }
    if (from < bytes.length) take(bytes.subarray(from));
  }
  const last = end();
  if (last === undefined || !isBlank(last)) yield last;
}

function isBlank(line: Buffer): boolean {
  return line.every((byte) => byte === 32 || byte === 9 || byte === 13);
}
