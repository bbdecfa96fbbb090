/** HTTP to a relay by what every runtime has. */
import { AgentError } from "../errors.ts";
import type { HttpAnswer, HttpRequest } from "./host.ts";

/** @throws AgentError relay_unreachable, aborted */
export async function webRequest(url: URL, { method, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
  const { "content-length": _length, ...rest } = headers;
  const pieces: Uint8Array[] = [];
  // A piece is its giver's again behind the next.
  for await (const piece of body ?? []) pieces.push(piece.slice());
  try {
    const answer = await fetch(url, {
      method,
      headers: rest,
      ...(body === undefined ? {} : { body: new Blob(pieces as BlobPart[]) }),
      ...(signal === undefined ? {} : { signal }),
    });
    return { status: answer.status, headers: Object.fromEntries(answer.headers), body: read(answer, signal) };
  } catch (error) {
    throw lost(error, signal);
  }
}

async function* read(answer: Response, signal: AbortSignal | undefined): AsyncGenerator<Uint8Array> {
  const reader = answer.body?.getReader();
  try {
    for (;;) {
      const next = await reader?.read();
      if (next?.value === undefined) return;
      yield next.value;
    }
  } catch (error) {
    throw lost(error, signal);
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}

function lost(cause: unknown, signal: AbortSignal | undefined): AgentError {
  if (signal?.aborted === true) return new AgentError("aborted", "aborted while the relay was asked", { cause });
  return new AgentError("relay_unreachable", "the relay cannot be reached by HTTP", {
    hint: "check that the relay runs, and that it takes this page's origin",
    cause,
  });
}
