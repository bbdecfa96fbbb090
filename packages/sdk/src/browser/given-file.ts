import { AgentError } from "../errors.ts";
import type { FileToSend } from "../files/host.ts";

/** Read at once. Bytes. */
const PIECE_BYTES = 2 ** 20;

/**
 * What a person has chosen in a page, or a page has made, as `send` takes it in `files`. Its size is known, so that what has no room is refused
 * before anything of it is kept.
 */
export function fileToSend(blob: Blob, name: string = blob instanceof File ? blob.name : ""): FileToSend {
  const type = /^[\x20-\x7e]{1,128}$/.test(blob.type) ? { type: blob.type } : {};
  const called = name === "" ? "file" : name;
  return { stream: bytesOf(blob, called), name: called, bytes: blob.size, ...type };
}

/** Not by its own stream: some browsers have none that can be iterated. */
async function* bytesOf(blob: Blob, name: string): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < blob.size; at += PIECE_BYTES)
    try {
      yield new Uint8Array(await blob.slice(at, at + PIECE_BYTES).arrayBuffer());
    } catch (cause) {
      throw new AgentError("bad_file", `${name} can be read no longer`, {
        reason: "missing",
        hint: "it was changed or removed since it was chosen: choose it again",
        cause,
      });
    }
}
