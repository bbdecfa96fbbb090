import type { Command } from "commander";
import { openAgent } from "../agent.ts";
import { addRootFlag, filesRoot } from "../file-flags.ts";
import type { Act, Call } from "../call.ts";
import { servePipe } from "../doors/pipe.ts";

const EXAMPLE = `
A request and its answer, a line each (JSON-RPC 2.0):
  {"jsonrpc":"2.0","id":1,"method":"send","params":{"to":"bob","body":"hello"}}
  {"jsonrpc":"2.0","id":1,"result":{"message_id":"1f0c9a52b7d84e3f","to":"bob"}}

Methods: send, ask, reply, handled, failed, retry, save, status, wait, inbox, sent, contacts.list, contacts.show, requests.list, requests.show,
groups.list, groups.show, groups.create, groups.add, groups.remove, groups.promote, groups.demote, groups.rename, groups.accept, groups.refuse,
groups.leave, users, whoami, subscribe.
Notifications: message, state, progress, alert, link. docs/pipe.schema.json has all of it, clients/python a client.

A message is handled when the program says so. When stdin ends, what is unsettled is given back, what waits is sent, and pipe ends 0.
`;

export function configure(command: Command, act: Act): void {
  command
    .description("Be an agent for a program in any language: requests on stdin, answers and messages on stdout.")
    .addHelpText("after", EXAMPLE)
    .action(act(pipe));
  addRootFlag(command);
}

async function pipe(call: Call, options: { filesRoot?: string }): Promise<void> {
  const root = await filesRoot(call.context, options.filesRoot);
  await using agent = await openAgent(call, "pipe");
  await servePipe(agent, call.context, root);
}
