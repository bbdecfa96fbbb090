/** AWS Signature Version 4, as S3 has it: a request whose body is there, signed in a header. */
import { createHash, createHmac } from "node:crypto";
import type { Credentials } from "../../config/bucket.ts";

interface ToSign {
  method: string;
  url: URL;
  /** Headers to be signed beside those that are added; names in lower case. */
  headers: Readonly<Record<string, string>>;
  body: readonly Uint8Array[];
  region: string;
  credentials: Credentials;
  /** Unix milliseconds. */
  now: number;
}

/** @returns all headers that are to be sent */
export function signed({ method, url, headers, body, region, credentials, now }: ToSign): Record<string, string> {
  const { keyId, secret, session } = credentials;
  // 20130524T000000Z
  const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
  const day = time.slice(0, 8);
  const bodyHash = sha256(...body);
  const all: Record<string, string> = {
    ...headers,
    host: url.host,
    "x-amz-content-sha256": bodyHash,
    "x-amz-date": time,
    ...(session === undefined ? {} : { "x-amz-security-token": session }),
  };
  const names = Object.keys(all).toSorted();
  const canonical = [
    method,
    url.pathname.split("/").map(canonicalPart).join("/"),
    queryOf(url),
    ...names.map((name) => `${name}:${all[name]?.trim().replace(/ +/g, " ")}`),
    "",
    names.join(";"),
    bodyHash,
  ].join("\n");
  const scope = [day, region, "s3", "aws4_request"];
  const toSign = ["AWS4-HMAC-SHA256", time, scope.join("/"), sha256(Buffer.from(canonical))].join("\n");
  let key: string | Buffer = `AWS4${secret}`;
  for (const part of [...scope, toSign]) key = createHmac("sha256", key).update(part).digest();
  const signature = (key as Buffer).toString("hex");
  const authorization = `AWS4-HMAC-SHA256 Credential=${keyId}/${scope.join("/")},SignedHeaders=${names.join(";")},Signature=${signature}`;
  return { ...all, authorization };
}

/** As AWS encodes: all but letters, digits and `-._~`. */
export function encode(text: string): string {
  return encodeURIComponent(text).replace(/[!'()*]/g, (sign) => `%${sign.charCodeAt(0).toString(16).toUpperCase()}`);
}

function canonicalPart(part: string): string {
  return encode(decodeURIComponent(part));
}

function queryOf(url: URL): string {
  return [...url.searchParams]
    .map(([name, value]) => `${encode(name)}=${encode(value)}`)
    .toSorted()
    .join("&");
}

function sha256(...pieces: readonly Uint8Array[]): string {
  const hash = createHash("sha256");
  for (const piece of pieces) hash.update(piece);
  return hash.digest("hex");
}
