export interface Credentials {
  keyId: string;
  secret: string;
  /** Of credentials that are good for a while. */
  session: string | undefined;
}

/** Where objects lie, and as whom they are asked for. Holds no secret that could be printed. */
export interface Bucket {
  /** All objects are below it; it ends with a slash. */
  url: URL;
  region: string;
  /** Before the name of each object: empty, or ends with a slash. */
  prefix: string;
  credentials: () => Credentials;
}

type Env = Readonly<Record<string, string | undefined>>;

/** The environment says nothing of how a bucket is reached, or something that cannot be. */
export class BucketError extends Error {
  override readonly name = "BucketError";
}

/**
 * Reads `s3://bucket/prefix`. Who asks, and where, is said by the environment, as to AWS's own programs, and never by a command line.
 * @returns undefined if it is of another form
 * @throws BucketError
 */
export function parseBucket(text: string, env: Env): Bucket | undefined {
  // Names that need no encoding, so that there is no other way to write them.
  const [, name, path = ""] = /^s3:\/\/([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:\/([\w.~/-]*))?$/i.exec(text) ?? [];
  const folders = path.split("/").filter((folder) => folder !== "");
  if (name === undefined || folders.some((folder) => /^\.+$/.test(folder))) return undefined;
  const [keyId, secret] = [env["AWS_ACCESS_KEY_ID"], env["AWS_SECRET_ACCESS_KEY"]];
  if (!keyId || !secret) throw new BucketError("AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are needed");
  const region = env["AWS_REGION"] || env["AWS_DEFAULT_REGION"] || "us-east-1";
  const credentials = { keyId, secret, session: env["AWS_SESSION_TOKEN"] || undefined };
  const endpoint = env["AWS_ENDPOINT_URL_S3"] || env["AWS_ENDPOINT_URL"] || `https://s3.${region}.amazonaws.com`;
  return {
    url: new URL(`${endpointOf(endpoint)}/${name}/`),
    region,
    prefix: folders.map((folder) => `${folder}/`).join(""),
    credentials: () => credentials,
  };
}

function endpointOf(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && url.username === "" && url.search === "" && url.hash === "";
  if (!isPlain || !["http:", "https:"].includes(url.protocol))
    throw new BucketError("AWS_ENDPOINT_URL needs a URL such as https://s3.example.org");
  return url.href.replace(/\/+$/, "");
}
