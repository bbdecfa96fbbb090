import { fileToSend } from "@aimessage/sdk/browser";
import { AgentsBack } from "../back/agents-back.ts";
import type { Given } from "../back/methods.ts";
import type { Answers, Back, FileAsked, FileGiven, Method } from "../back/port.ts";

/** The port over agents of this page. */
export class BrowserBack extends AgentsBack implements Back {
  call<M extends Method>(method: M, given: Given<M>, files: FileGiven[] = []): Promise<Answers[M]> {
    const sent = files.map(({ blob, name }) => fileToSend(blob, name));
    return this.answer(method, given, sent.length === 0 ? {} : { files: sent });
  }

  async file(asked: FileAsked): Promise<Blob> {
    const { stream } = await this.stream(asked);
    const parts: Uint8Array<ArrayBuffer>[] = [];
    for await (const part of stream) parts.push(new Uint8Array(part));
    // A page that is told another type might be shown it.
    return new Blob(parts, { type: "application/octet-stream" });
  }
}
