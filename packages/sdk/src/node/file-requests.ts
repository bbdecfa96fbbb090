/** HTTP to a relay, for files: by the way on which its WebSocket goes. */
import type { Agent as HttpAgent, ClientRequest, IncomingMessage } from "node:http";
import { AgentError } from "../errors.ts";
import type { HttpAnswer, HttpRequest } from "../files/host.ts";
import { free } from "./program/free.ts";
import { wayTo } from "./way.ts";

/** A connection on which nothing moves for so long is dead. Milliseconds. */
const SILENT_MS = 60_000;
/** An answer is not ahead of the last bytes that it answers by more. Milliseconds. */
const LAST_BYTES_MS = 1_000;
/** What is read at most of an answer that is not a file. Bytes. */
const MOST_REFUSAL = 2 ** 16;

/** Sends requests, on connections that are used again. */
export class FileRequests {
  readonly #agents = new Map<string, HttpAgent>();

  /** @throws AgentError relay_unreachable, aborted; what the body throws */
  async ask(url: URL, { method, headers, body, signal }: HttpRequest): Promise<HttpAnswer> {
    refuseIfAborted(signal);
    const given = new AbortController();
    const way = await wayTo(new URL(url.href.replace(/^http/, "ws")), given.signal);
    const http = await (url.protocol === "https:" ? import("node:https") : import("node:http"));
    const agent = way.createConnection === undefined ? { agent: this.#agentFor(url, http) } : {};
    const options = { method, headers, ...agent, ...(way as object), ...(signal === undefined ? {} : { signal }) };
    try {
      return await exchange(http.request(url, options), { body, isFile: method === "GET", signal });
    } catch (error) {
      refuseIfAborted(signal);
      throw error;
    } finally {
      given.abort();
    }
  }

  close(): void {
    for (const agent of this.#agents.values()) agent.destroy();
    this.#agents.clear();
  }

  #agentFor({ protocol }: URL, { Agent }: { Agent: typeof HttpAgent }): HttpAgent {
    let agent = this.#agents.get(protocol);
    if (agent === undefined) this.#agents.set(protocol, (agent = new Agent({ keepAlive: true })));
    return agent;
  }
}

interface Exchange {
  body: AsyncIterable<Uint8Array> | undefined;
  isFile: boolean;
  signal: AbortSignal | undefined;
}

/** Sends a request, and resolves to its answer when nothing of its body is asked for any more: that may come before all is sent. */
async function exchange(asked: ClientRequest, { body, isFile, signal }: Exchange): Promise<HttpAnswer> {
  let isOver = false;
  const answer = new Promise<IncomingMessage>((resolve, reject) => {
    asked.on("response", resolve);
    asked.on("error", (error) => reject(unreachable(error)));
    asked.setTimeout(SILENT_MS, () => asked.destroy(new Error("nothing moves")));
  }).finally(() => (isOver = true));
  answer.catch(() => undefined);
  const sending = body === undefined ? sendNothing(asked) : send(asked, body, () => isOver);
  try {
    // What the body throws comes before what that does to the connection.
    const response = await Promise.race([answer, sending.then(() => answer)]);
    const answered = await answerOf(response, isFile, signal);
    // What is not read any more is not sent either.
    if (answered.status >= 300 || !(await isSoon(sending))) asked.destroy();
    return answered;
  } catch (error) {
    asked.destroy();
    throw error;
  } finally {
    // Whoever asks next may read the same file: this body is not at work any more then.
    await sending.catch(() => undefined);
  }
}

async function sendNothing(asked: ClientRequest): Promise<void> {
  asked.end();
}

/** @throws what the body throws, alone: of the connection the request tells */
async function send(asked: ClientRequest, body: AsyncIterable<Uint8Array>, isOver: () => boolean): Promise<void> {
  // What never had a connection is not told what became of its bytes.
  const gone = new Promise<false>((resolve) => asked.once("close", () => resolve(false)));
  let before: Promise<boolean> = Promise.resolve(true);
  for await (const piece of body) {
    if (isOver() || asked.destroyed) return;
    const sent = new Promise<boolean>((resolve) => asked.write(piece, (error) => resolve(error == null)));
    // Two at a time: its bytes are used again behind that.
    if (!(await Promise.race([before, gone]))) return;
    before = sent;
  }
  if (await Promise.race([before, gone])) asked.end();
}

/** Whether all of a body has left, or does so in a moment. */
async function isSoon(sending: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => (timer = setTimeout(() => resolve(false), LAST_BYTES_MS)));
  return Promise.race([sending.then(() => true), late]).finally(() => clearTimeout(timer));
}

async function answerOf(
  response: IncomingMessage,
  isFile: boolean,
  signal: AbortSignal | undefined,
): Promise<HttpAnswer> {
  const { statusCode: status = 0, headers } = response;
  const plain = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, String(value)]));
  if (isFile && (status === 200 || status === 206)) return { status, headers: plain, body: bodyOf(response, signal) };
  await drain(response);
  return { status, headers: plain, body: bodyOf(undefined, signal) };
}

async function* bodyOf(
  response: IncomingMessage | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  if (response === undefined) return;
  try {
    for await (const piece of response as AsyncIterable<Uint8Array>) {
      yield piece;
      free(piece);
    }
  } catch (error) {
    refuseIfAborted(signal);
    throw unreachable(error);
  } finally {
    response.destroy();
  }
}

/** Lets the connection be used again, unless that takes much. */
async function drain(response: IncomingMessage): Promise<void> {
  let bytes = 0;
  try {
    for await (const chunk of response as AsyncIterable<Uint8Array>) if ((bytes += chunk.length) > MOST_REFUSAL) return;
  } catch {
    // Its head has come.
  }
}

function unreachable(cause: unknown): AgentError {
  const { code, message } = cause as NodeJS.ErrnoException;
  return new AgentError("relay_unreachable", `the relay cannot be reached for a file (${code ?? message})`, {
    hint: "check that the relay runs; what has gone so far is not sent again",
    cause,
  });
}

function refuseIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new AgentError("aborted", "aborted while a file was under way");
}
