/** JSON-RPC 2.0, one object a line. */
import type { Readable } from "node:stream";
import { StringDecoder } from "node:string_decoder";
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
  /** Characters of a line that is read. */
  longest: number;
  /** @throws RpcError */
  call: (method: string, params: Record<string, unknown>) => Promise<unknown>;
  write: (value: object) => Promise<void>;
}

/** Answers requests, which may overlap, until the input ends. A line that cannot be read is an error, and nothing else is lost. */
export async function serve(input: Readable, rpc: Rpc): Promise<void> {
  const running = new Set<Promise<void>>();
  for await (const line of linesOf(input, rpc.longest)) {
    const task: Promise<void> = answer(line, rpc).finally(() => running.delete(task));
    running.add(task);
  }
  await Promise.all(running);
}

async function answer(line: string | undefined, { call, write, longest }: Rpc): Promise<void> {
  const fail = (id: RequestId, { code, message, data }: RpcError): Promise<void> =>
    write({ jsonrpc: "2.0", id, error: { code, message, ...(data === undefined ? {} : { data }) } });
  if (line === undefined) return fail(null, new RpcError(codes.request, `a line has more than ${longest} characters`));
  let value: unknown;
  try {
    value = JSON.parse(line);
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

/** Lines, undefined for one that is too long; an empty one is none. */
async function* linesOf(input: Readable, longest: number): AsyncGenerator<string | undefined> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  let skips = false;
  for await (const part of input as AsyncIterable<Buffer | string>) {
    rest += typeof part === "string" ? part : decoder.write(part);
    for (let end; (end = rest.indexOf("\n")) >= 0; rest = rest.slice(end + 1)) {
      const line = rest.slice(0, end).trim();
      if (skips || line.length > longest) yield undefined;
      else if (line !== "") yield line;
      skips = false;
    }
    if (rest.length > longest) [rest, skips] = ["", true];
  }
  const last = (rest + decoder.end()).trim();
  if (skips) yield undefined;
  else if (last !== "") yield last;
}
