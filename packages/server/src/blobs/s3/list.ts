import type { BucketClient } from "./request.ts";

/** An object of a bucket, as a list of them has it. */
interface Listed {
  /** Behind the bucket's prefix. */
  name: string;
  bytes: number;
  /** Unix milliseconds. */
  writtenAt: number;
}

const ENTITIES: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** All objects whose names begin so, in the order of their names (ListObjectsV2): a thousand to a request. */
export async function* objectsOf(client: BucketClient, prefix: string, beginning: string): AsyncIterable<Listed> {
  for (let token: string | undefined, isFirst = true; isFirst || token !== undefined; isFirst = false) {
    const query: Record<string, string> = { "list-type": "2", prefix: prefix + beginning };
    if (token !== undefined) query["continuation-token"] = token;
    const answer = await client.ask({ method: "GET", query, check: whatIsWrong });
    const text = (answer ?? Buffer.alloc(0)).toString();
    for (const [, entry = ""] of text.matchAll(/<Contents>(.*?)<\/Contents>/gs)) {
      const key = textOf(entry, "Key") ?? "";
      if (!key.startsWith(prefix)) continue;
      const writtenAt = Date.parse(textOf(entry, "LastModified") ?? "");
      yield { name: key.slice(prefix.length), bytes: Number(textOf(entry, "Size")), writtenAt };
    }
    token = textOf(text, "IsTruncated") === "true" ? textOf(text, "NextContinuationToken") : undefined;
  }
}

/** A page that is not whole must not pass for a bucket in which nothing more is. */
function whatIsWrong(body: Buffer): string | undefined {
  const text = body.toString();
  const isList = /<ListBucketResult[\s>]/.test(text) && text.includes("</ListBucketResult>");
  const truncated = textOf(text, "IsTruncated");
  if (!isList || (truncated !== "true" && truncated !== "false")) return "the answer is no list";
  return truncated === "true" && textOf(text, "NextContinuationToken") === undefined ? "a list has no end" : undefined;
}

function textOf(xml: string, tag: string): string | undefined {
  const [, text] = new RegExp(`<${tag}>([^<]*)</${tag}>`).exec(xml) ?? [];
  return text?.replace(/&(?:#(x?)([0-9a-f]+)|(\w+));/gi, (all, hex: string, code?: string, name?: string) =>
    code === undefined
      ? (ENTITIES[name ?? ""] ?? all)
      : String.fromCodePoint(Number.parseInt(code, hex === "" ? 10 : 16)),
  );
}
