/** An S3 for tests, strict where a real one is, which verifies signatures in its own way and can be told to fail. */
import { createHash, createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { type AddressInfo } from "node:net";
import { onTestFinished } from "vitest";
import { type Bucket, parseBucket } from "../src/config/bucket.ts";

const KEY = "TESTKEY";
const SECRET = "a secret/with+signs";

/** What is done to an answer instead of giving it. */
export type Fault = (request: IncomingMessage, response: ServerResponse) => void;

export const answered =
  (status: number, code: string): Fault =>
  (_, response) =>
    refuse(response, status, code);

/** The answer is given, and breaks off. */
export const brokenOff: Fault = (_, response) => {
  const write = response.end.bind(response);
  response.end = ((body?: Uint8Array) => {
    if (body === undefined || body.length === 0) return response.destroy();
    response.write(body.subarray(0, body.length / 2), () => response.destroy());
    return response;
  }) as typeof write;
};

/** Something on the way changes a byte of the answer. */
export const garbled: Fault = (_, response) => {
  const write = response.end.bind(response);
  response.end = ((body?: Uint8Array) => {
    const other = Buffer.from(body ?? []);
    if (other.length > 0) other[other.length >> 1]! ^= 1;
    return write(other);
  }) as typeof write;
};

/** Nothing is answered. */
export const silent: Fault = (_, response) => void (response.end = () => response);

export const reset: Fault = ({ socket }) => void socket.resetAndDestroy();

interface Kept {
  body: Buffer;
  at: Date;
}

export class BucketFake {
  readonly objects = new Map<string, Kept>();
  /** Of the next requests, one each. */
  readonly faults: (Fault | undefined)[] = [];
  /** Requests so far, by method. */
  readonly asked: string[] = [];
  /** Names in one page of a list. */
  page = 1000;
  /** How far ahead the clock of what was written is. Milliseconds. */
  ahead = 0;
  server: Server | undefined;
  #url = "";

  get env(): Record<string, string> {
    return { AWS_ACCESS_KEY_ID: KEY, AWS_SECRET_ACCESS_KEY: SECRET, AWS_REGION: "test-1", AWS_ENDPOINT_URL: this.#url };
  }

  /** The bucket, with a prefix of its own. */
  bucket(prefix = "", env: Record<string, string> = {}): Bucket {
    return parseBucket(`s3://files/${prefix}`, { ...this.env, ...env })!;
  }

  async listen(): Promise<this> {
    // What a client has cut off is answered to nobody.
    this.server = createServer(
      (request, response) => void this.#answer(request, response).catch(() => response.destroy()),
    );
    this.server.listen(0, "127.0.0.1");
    await once(this.server, "listening");
    this.#url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
    return this;
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const pieces: Buffer[] = [];
    for await (const piece of request as AsyncIterable<Buffer>) pieces.push(piece);
    const body = Buffer.concat(pieces);
    this.asked.push(`${request.method}`);
    const fault = this.faults.shift();
    fault?.(request, response);
    if (response.writableEnded || response.destroyed || response.headersSent) return;
    const wrong = whatIsWrong(request, body);
    if (wrong !== undefined) return refuse(response, wrong === "XAmzContentSHA256Mismatch" ? 400 : 403, wrong);
    const url = new URL(request.url ?? "", this.#url);
    const [, bucket, key = ""] = /^\/([^/]+)(?:\/(.*))?$/.exec(decodeURIComponent(url.pathname)) ?? [];
    if (bucket !== "files") return refuse(response, 404, "NoSuchBucket");
    if (key === "")
      return request.method === "GET" ? this.#list(url, response) : refuse(response, 405, "MethodNotAllowed");
    const found = this.objects.get(key);
    if (request.method === "PUT") this.objects.set(key, { body, at: new Date(Date.now() + this.ahead) });
    if (request.method === "DELETE") this.objects.delete(key);
    if (request.method === "GET" && found === undefined) return refuse(response, 404, "NoSuchKey");
    if (request.method === "DELETE") return void response.writeHead(204).end();
    response
      .writeHead(200, { "content-type": "application/octet-stream" })
      .end(request.method === "GET" ? found?.body : undefined);
  }

  #list({ searchParams }: URL, response: ServerResponse): void {
    if (searchParams.get("list-type") !== "2") return refuse(response, 400, "InvalidArgument");
    const [prefix, token] = [searchParams.get("prefix") ?? "", searchParams.get("continuation-token")];
    const after = token === null ? "" : token.slice("<after>&".length);
    const names = [...this.objects.keys()].filter((name) => name.startsWith(prefix) && name > after).toSorted();
    const page = names.slice(0, this.page);
    const isTruncated = page.length < names.length;
    const entries = page.map((name) => {
      const { body, at } = this.objects.get(name)!;
      return `<Contents><Key>${escaped(name)}</Key><LastModified>${at.toISOString()}</LastModified><Size>${body.length}</Size></Contents>`;
    });
    const next = isTruncated
      ? `<NextContinuationToken>${escaped(`<after>&${page.at(-1)}`)}</NextContinuationToken>`
      : "";
    response.end(
      Buffer.from(
        `<?xml version="1.0"?><ListBucketResult xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><IsTruncated>${isTruncated}</IsTruncated>${entries.join("")}${next}</ListBucketResult>`,
      ),
    );
  }
}

export async function bucketFake(): Promise<BucketFake> {
  const fake = await new BucketFake().listen();
  onTestFinished(() => {
    fake.server?.closeAllConnections();
    fake.server?.close();
  });
  return fake;
}

const hmac = (secret: string | Buffer, text: string): Buffer => createHmac("sha256", secret).update(text).digest();

/** Looks at a request from its raw text, as the documents say, without what signs it. */
function whatIsWrong({ method = "", url = "", headers }: IncomingMessage, body: Buffer): string | undefined {
  const form =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/test-1\/s3\/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=([0-9a-f]{64})$/;
  const [, key, day = "", names = "", signature = ""] = form.exec(headers.authorization ?? "") ?? [];
  if (key !== KEY) return "InvalidAccessKeyId";
  const time = String(headers["x-amz-date"]);
  const at = Date.parse(time.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, "$1-$2-$3T$4:$5:$6Z"));
  if (!time.startsWith(day) || !(Math.abs(Date.now() - at) < 900_000)) return "RequestTimeTooSkewed";
  const listed = names.split(";");
  const all = Object.keys(headers).filter((name) => name === "host" || name.startsWith("x-amz-"));
  if (listed.join() !== listed.toSorted().join() || all.some((name) => !listed.includes(name))) return "AccessDenied";
  const [path = "", query = ""] = url.split("?");
  const lines = listed.map((name) => `${name}:${String(headers[name]).trim()}\n`).join("");
  const sortedQuery = query
    .split("&")
    .filter((pair) => pair !== "")
    .map((pair) => plain(pair))
    .toSorted()
    .join("&");
  const said = String(headers["x-amz-content-sha256"]);
  const canonical = `${method}\n${path}\n${sortedQuery}\n${lines}\n${names}\n${said}`;
  const signing = hmac(hmac(hmac(hmac(`AWS4${SECRET}`, day), "test-1"), "s3"), "aws4_request");
  const hash = createHash("sha256").update(canonical).digest("hex");
  const expected = hmac(signing, `AWS4-HMAC-SHA256\n${time}\n${day}/test-1/s3/aws4_request\n${hash}`);
  if (!timingSafeEqual(expected, Buffer.from(signature, "hex"))) return "SignatureDoesNotMatch";
  return createHash("sha256").update(body).digest("hex") === said ? undefined : "XAmzContentSHA256Mismatch";
}

/** A pair of a query as it is signed: a space is %20. */
function plain(pair: string): string {
  const [name = "", value = ""] = pair.split("=");
  return [name, value].map((text) => encodeURIComponent(decodeURIComponent(text.replaceAll("+", " ")))).join("=");
}

function refuse(response: ServerResponse, status: number, code: string): void {
  response.writeHead(status, { "content-type": "application/xml" });
  response.end(Buffer.from(`<?xml version="1.0"?><Error><Code>${code}</Code><Message>no</Message></Error>`));
}

function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** A bucket with nothing in it: of a fake, or of a real S3 where AIMESSAGE_TEST_BUCKET names one, as s3://bucket/prefix. */
export async function bucketToTest(): Promise<Bucket> {
  const real = process.env["AIMESSAGE_TEST_BUCKET"];
  if (real === undefined) return (await bucketFake()).bucket("some/where");
  return parseBucket(`${real}/${randomBytes(8).toString("hex")}`, process.env)!;
}
