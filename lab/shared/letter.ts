import type { Agent, Sent } from "@aimessage/sdk/node";

/** A message that an agent shall send. */
export interface Letter {
  id: string;
  to: string;
  body: string;
  /** Milliseconds. */
  expiresIn?: number;
  /** Paths of files that go with it. */
  files?: string[];
}

export function post(agent: Agent, { id, to, body, expiresIn, files }: Letter): Promise<Sent> {
  return agent.send(to, body, {
    messageId: id,
    ...(expiresIn === undefined ? {} : { expiresIn }),
    ...(files === undefined ? {} : { files }),
  });
}
