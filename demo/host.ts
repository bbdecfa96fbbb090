/** As much of an assistant's host as the demo needs: it calls tools of `aimessage mcp`, as the Model Context Protocol has it. */
import { note } from "./screen.ts";
import { type Actor, Failed } from "./stage.ts";

const CLIENT = { protocolVersion: "2025-06-18", capabilities: {}, clientInfo: { name: "demo", version: "1.0.0" } };
const LOOK_AGAIN_MS = 100;

interface Answer {
  id?: number;
  error?: { message: string };
  result?: { isError?: boolean; content?: [{ text: string }] };
}

export interface Shown {
  message_id: string;
  from: string;
  /** Between two words that its sender cannot know: data, which nobody takes for instructions. */
  body?: string;
}

export class Host {
  readonly #server: Actor;
  #requests = 0;

  constructor(server: Actor) {
    this.#server = server;
  }

  async begin(): Promise<void> {
    await this.#ask("initialize", CLIENT);
    this.#server.say(JSON.stringify({ jsonrpc: "2.0", method: "notifications/initialized" }));
  }

  /** Reads until there is a message. */
  async read(): Promise<Shown> {
    for (;;) {
      const { messages = [] } = (await this.#call("read_messages", {})) as { messages?: Shown[] };
      const [first] = messages;
      if (first !== undefined) {
        note(
          `the assistant calls read_messages: ${first.from}: ${/^<<\w+\n(.*)\n\w+>>$/s.exec(first.body ?? "")?.[1]}`,
        );
        return first;
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK_AGAIN_MS));
    }
  }

  async reply(message: Shown, body: string): Promise<void> {
    note(`the assistant calls reply_to_message: ${body}`);
    await this.#call("reply_to_message", { message_id: message.message_id, body });
  }

  async #call(name: string, args: object): Promise<unknown> {
    const { result } = await this.#ask("tools/call", { name, arguments: args });
    const text = result?.content?.[0].text ?? "";
    if (result?.isError === true) throw new Failed(`${name}: ${text}`);
    return JSON.parse(text);
  }

  async #ask(method: string, params: object): Promise<Answer> {
    this.#requests += 1;
    const id = this.#requests;
    this.#server.say(JSON.stringify({ jsonrpc: "2.0", id, method, params }));
    const answer = await this.#server.until(`no answer to ${method}`, (lines) =>
      lines.map((line) => JSON.parse(line) as Answer).find((answer) => answer.id === id),
    );
    if (answer.error !== undefined) throw new Failed(`${method}: ${answer.error.message}`);
    return answer;
  }
}
