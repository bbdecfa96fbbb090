/** What `--webhook` and its like say. Secrets come from files alone: a command line can be read by others. */
import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { isLoopback } from "@aimessage/sdk/protocol";
import type { Context } from "../context.ts";
import { UsageError } from "../errors.ts";
import { secretBytes, type WebhookOptions } from "./webhook.ts";

export interface WebhookFlags {
  webhook?: string;
  webhookSecret?: string;
  webhookHeader?: string[];
  webhookTemplate?: string;
}

const SECRET_BYTES = 16;

/** @throws UsageError */
export function readWebhook(
  { webhook = "", webhookSecret, webhookHeader = [], webhookTemplate }: WebhookFlags,
  context: Context,
): Pick<WebhookOptions, "url" | "headers" | "secret" | "template"> {
  return {
    url: urlOf(webhook, context),
    headers: Object.fromEntries(
      webhookHeader
        .flatMap((each) => content(each, context).split("\n"))
        .filter(isLine)
        .map(headerOf),
    ),
    secret: webhookSecret === undefined ? undefined : secretOf(webhookSecret, context),
    template: webhookTemplate === undefined ? undefined : templateOf(content(webhookTemplate, context)),
  };
}

const isLine = (line: string): boolean => line.trim() !== "";

function urlOf(text: string, { env }: Context): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHere = url !== undefined && isLoopback(url.hostname);
  if (url === undefined || !(url.protocol === "https:" || (url.protocol === "http:" && isHere)))
    throw new UsageError(`${text} is no web address that messages may be posted to`, "https, or http to this machine");
  if (url.protocol === "https:" && env["NODE_TLS_REJECT_UNAUTHORIZED"] === "0")
    throw new UsageError(
      "NODE_TLS_REJECT_UNAUTHORIZED=0 would let anybody read what is posted",
      "unset it; NODE_EXTRA_CA_CERTS names a certificate of your own",
    );
  if (url.username !== "" || url.password !== "")
    throw new UsageError(
      "the web address has a name or a password in it, which others can read",
      "leave them out, and give a header from a file: --webhook-header @FILE",
    );
  return url;
}

/** What an argument says, or the file that it names by `@`. */
function content(text: string, { cwd }: Context): string {
  if (!text.startsWith("@")) return text;
  const file = resolve(cwd, text.slice(1));
  try {
    return readFileSync(file, "utf8");
  } catch (cause) {
    throw new UsageError(
      `${file} cannot be read: ${(cause as NodeJS.ErrnoException).code ?? ""}`,
      "check the path behind @",
    );
  }
}

function headerOf(line: string): [name: string, value: string] {
  const [, name = "", value = ""] = /^([\w!#$%&'*+.^`|~-]+):\s*(.*?)\s*$/.exec(line) ?? [];
  if (name === "")
    throw new UsageError(
      "a header is not written as 'Name: value'",
      "for example: 'Authorization: Bearer ...' in a file",
    );
  const lower = name.toLowerCase();
  if (NOT_OURS.has(lower) || /[^\t\x20-\xff]/.test(value))
    throw new UsageError(
      `the header ${name} cannot be sent`,
      "its value has a character that no header may have, or it belongs to the connection",
    );
  return [lower, value];
}

/** Headers of the connection, which say how a request is written, and not what it is (RFC 9110, sections 7.6.1 and 8.6). */
const NOT_OURS = new Set(
  "connection content-length expect host keep-alive proxy-connection te trailer transfer-encoding upgrade".split(" "),
);

function secretOf(text: string, context: Context): Buffer {
  if (!text.startsWith("@"))
    throw new UsageError("a secret on the command line can be read by others", "write it into a file, and give @FILE");
  const secret = secretBytes(content(text, context).trim());
  if (secret.length < SECRET_BYTES)
    throw new UsageError("the secret is too short", `it has ${SECRET_BYTES} bytes at least`);
  return secret;
}

function templateOf(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new UsageError(`the template is no JSON: ${(cause as Error).message}`, "placeholders stand in its strings");
  }
}
