/** What a message says of itself, beside its text: the flags that send, ask and reply have in common. */
import type { SendOptions } from "@aimessage/sdk/node";
import { type Command, InvalidArgumentError } from "commander";
import type { Body } from "./body.ts";
import { UsageError } from "./errors.ts";
import type { FileFlags } from "./file-flags.ts";
import { utf8 } from "./message.ts";
import { Repeatable } from "./repeatable.ts";

export interface Kind {
  thread?: string | undefined;
  contentType?: string | undefined;
  header?: Record<string, string> | undefined;
}

export function addKindFlags(command: Command): Command {
  return command
    .option("--thread <name>", "a thread that both sides know it by")
    .option("--content-type <type>", "what the message is, such as application/json, which is checked")
    .addOption(
      new Repeatable("--header <key=value>", "repeatable: something for a framework, encrypted as well", header),
    );
}

export function kindOf({ thread, contentType, header: headers }: Kind): SendOptions {
  return {
    ...(thread === undefined ? {} : { thread }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(headers === undefined ? {} : { headers }),
  };
}

/** @throws UsageError if the body is not what its type says */
export function checkedBody(body: Body, { contentType, file = [] }: Kind & FileFlags): Body {
  // Files may come without a text.
  if (body === "" && file.length > 0) return body;
  if (contentType === undefined || !/^application\/(?:[\w.+-]+\+)?json\b/i.test(contentType)) return body;
  try {
    JSON.parse((typeof body === "string" ? body : utf8(body)) ?? "");
    return body;
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new UsageError(`the message is no JSON: ${why}`, "nothing was sent; leave --content-type out, or mend it");
  }
}

function header(text: string, before: unknown): Record<string, string> {
  const [, key = "", value = ""] = /^([^=]+)=(.*)$/s.exec(text) ?? [];
  if (key === "") throw new InvalidArgumentError("Write it as KEY=VALUE.");
  return { ...(before as Record<string, string> | undefined), [key]: value };
}
