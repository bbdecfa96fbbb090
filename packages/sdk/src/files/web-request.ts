/** HTTP to a relay by what every runtime has. */
import { AgentError } from "../errors.ts";
import type { HttpAnswer, HttpRequest } from "./host.ts";

/** An answer of which nothing comes for so long never will. How much has left of what is sent a page is not told. Milliseconds. */
const SILENT_MS = 60_000;

/** @throws AgentError relay_unreachable, aborted */
export async function webRequest(url: URL, { method, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
  const { "content-length": _length, ...rest } = headers;
  const pieces: Uint8Array[] = [];
  // A piece is its giver's again behind the next.
  for await (const piece of body ?? []) pieces.push(piece.slice());
  const silence = new AbortController();
  const ended = signal === undefined ? silence.signal : AbortSignal.any([signal, silence.signal]);
  const asking = fetch(url, {
    method,
    headers: rest,
    ...(body === undefined ? {} : { body: new Blob(pieces as BlobPart[]) }),
    signal: ended,
  });
  try {
    const answer = await (body === undefined ? soon(asking, silence) : asking);
    return {
      status: answer.status,
      headers: Object.fromEntries(answer.headers),
      body: read(answer, { signal, silence }),
    };
  } catch (error) {
    throw lost(error, signal);
  }
}

interface Ends {
  signal: AbortSignal | undefined;
  silence: AbortController;
}

async function* read(answer: Response, { signal, silence }: Ends): AsyncGenerator<Uint8Array> {
  const reader = answer.body?.getReader();
  try {
    while (reader !== undefined) {
      const next = await soon(reader.read(), silence);
      if (next.value === undefined) return;
      yield next.value;
    }
  } catch (error) {
    throw lost(error, signal);
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}

/** Ends what is waited for when it does not come. */
async function soon<T>(coming: Promise<T>, silence: AbortController): Promise<T> {
  const timer = setTimeout(() => silence.abort(), SILENT_MS);
  return coming.finally(() => clearTimeout(timer));
}

function lost(cause: unknown, signal: AbortSignal | undefined): AgentError {
  if (signal?.aborted === true) return new AgentError("aborted", "aborted while the relay was asked", { cause });
  return new AgentError("relay_unreachable", "the relay cannot be reached by HTTP", {
    hint: "check that the relay runs, and that it takes this page's origin",
    cause,
  });
}
