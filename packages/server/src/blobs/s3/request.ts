import { Agent as HttpAgent, type IncomingMessage, request as httpRequest } from "node:http";
import { Agent as HttpsAgent, request as httpsRequest } from "node:https";
import { setTimeout as delay } from "node:timers/promises";
import type { Bucket } from "../../config/bucket.ts";
import { signed } from "./sign.ts";

/** Connections at a time, and requests on them; the rest waits. */
const CONNECTIONS = 32;
/** Nothing comes or goes for so long: the request is given up. Milliseconds. */
const SILENT_MS = 10_000;
const TRIES = 5;
/** Before the second try, and twice as much before each that follows, less a random half. Milliseconds. */
const FIRST_PAUSE_MS = 100;
/** An answer is a part, or a page of a list: no longer than this. Bytes. */
const MOST_BYTES = 2 ** 24;

/** Answers that say nothing of a request: it is asked again. Those of a body that has changed on its way too. */
const PASSING = new Set([408, 425, 429, 500, 502, 503, 504]);
const PASSING_CODES = new Set([
  "SlowDown",
  "RequestTimeout",
  "XAmzContentSHA256Mismatch",
  "BadDigest",
  "IncompleteBody",
]);
/** What servers say where there is no room. */
const FULL = new Set(["QuotaExceeded", "XMinioStorageFull", "XMinioAdminBucketQuotaExceeded", "InsufficientCapacity"]);

/** A bucket has not done what it was asked for. */
class BucketRequestError extends Error {
  override readonly name = "BucketRequestError";
  /** As the system says it of a disk: `ENOSPC` where there is no room. */
  readonly code: string | undefined;
  readonly status: number | undefined;

  constructor(message: string, { status, code, cause }: { status?: number; code?: string; cause?: unknown }) {
    super(message, { cause });
    this.status = status;
    this.code = code !== undefined && FULL.has(code) ? "ENOSPC" : code;
  }
}

interface BucketRequest {
  method: "GET" | "PUT" | "DELETE";
  /** Name of the object behind the prefix; undefined: the bucket itself. */
  name?: string;
  query?: Readonly<Record<string, string>>;
  body?: readonly Uint8Array[];
  /** What is wrong with an answer, if anything is: it is asked for again. */
  check?: (body: Buffer) => string | undefined;
}

/** Asks a bucket. What is asked for may be asked for twice: all of it has the same effect then. */
export class BucketClient implements Disposable {
  readonly #bucket: Bucket;
  readonly #agent: HttpAgent | HttpsAgent;
  readonly #silent: number;

  /** @param silent Milliseconds after which a request of which nothing is heard is given up. */
  constructor(bucket: Bucket, silent = SILENT_MS) {
    this.#bucket = bucket;
    this.#silent = silent;
    const isPlain = bucket.url.protocol === "http:";
    this.#agent = new (isPlain ? HttpAgent : HttpsAgent)({ keepAlive: true, maxSockets: CONNECTIONS });
  }

  /**
   * @returns The body; undefined where there is no such object.
   * @throws BucketRequestError
   */
  async ask(request: BucketRequest): Promise<Buffer | undefined> {
    for (let tries = 1; ; tries++) {
      const answer = await this.#try(request).catch((error: unknown) => failed(request, error));
      if (answer === undefined || !("mayPass" in answer)) return answer;
      if (!answer.mayPass || tries === TRIES) throw answer.error;
      await delay(FIRST_PAUSE_MS * 2 ** (tries - 1) * (0.5 + Math.random() / 2), undefined, { ref: false });
    }
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }

  async #try(request: BucketRequest): Promise<Buffer | undefined | Failed> {
    const { status, body } = await this.#send(request);
    if (status >= 200 && status < 300) {
      const wrong = request.check?.(body);
      if (wrong === undefined) return body;
      return { error: new BucketRequestError(`${what(request)}: ${wrong}`, {}), mayPass: true };
    }
    const [, code] = /<Code>(\w{1,100})<\/Code>/.exec(body.toString("latin1")) ?? [];
    // A bucket that is not there says nothing of its objects.
    if (status === 404 && (code === "NoSuchKey" || (request.method === "DELETE" && code !== "NoSuchBucket")))
      return undefined;
    const mayPass = PASSING.has(status) || PASSING_CODES.has(code ?? "");
    const message = `${what(request)} was answered by ${status} ${code ?? ""}`.trimEnd();
    return { error: new BucketRequestError(message, { status, ...(code === undefined ? {} : { code }) }), mayPass };
  }

  async #send({ method, name, query = {}, body = [] }: BucketRequest): Promise<{ status: number; body: Buffer }> {
    const { url: base, region, prefix, credentials } = this.#bucket;
    const url = name === undefined ? new URL(base.href.slice(0, -1)) : new URL(prefix + name, base);
    for (const [key, value] of Object.entries(query)) url.searchParams.set(key, value);
    const length = body.reduce((sum, piece) => sum + piece.length, 0);
    const headers = {
      ...signed({ method, url, headers: {}, body, region, credentials: credentials(), now: Date.now() }),
      ...(method === "PUT" ? { "content-length": String(length), "content-type": "application/octet-stream" } : {}),
    };
    const send = url.protocol === "http:" ? httpRequest : httpsRequest;
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>();
    const sent = send(url, { method, headers, agent: this.#agent, timeout: this.#silent });
    sent.on("timeout", () => sent.destroy(new Error(`nothing came for ${this.#silent} ms`)));
    sent.on("response", resolve);
    sent.on("error", reject);
    for (const piece of body) sent.write(piece);
    sent.end();
    const answer = await promise;
    return { status: answer.statusCode ?? 0, body: await bodyOf(answer) };
  }
}

interface Failed {
  error: BucketRequestError;
  /** Asked again it may be done. */
  mayPass: boolean;
}

/** @throws if it breaks off, or is longer than anything that was asked for */
async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of answer as AsyncIterable<Buffer>) {
    bytes += piece.length;
    if (bytes > MOST_BYTES) throw new Error(`the answer is longer than ${MOST_BYTES} bytes`);
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

/** A connection that failed: nothing of the request is told, since its headers are nobody's business. */
function failed(request: BucketRequest, error: unknown): Failed {
  const { message, code = "" } = error as NodeJS.ErrnoException;
  const cause = `${what(request)} failed: ${message || code}`;
  return { error: new BucketRequestError(cause, {}), mayPass: true };
}

function what({ method, name }: BucketRequest): string {
  return name === undefined ? "listing a bucket" : `${method} of an object of a bucket`;
}
