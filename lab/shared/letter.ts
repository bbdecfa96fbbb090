import type { Agent, Sent } from "@aimessage/sdk/node";

/** A message that an agent shall send. */
export interface Letter {
  id: string;
  to: string;
  body: string;
  /** Milliseconds. */
  expiresIn?: number;
}

export function post(agent: Agent, { id, to, body, expiresIn }: Letter): Promise<Sent> {
  return agent.send(to, body, { messageId: id, ...(expiresIn === undefined ? {} : { expiresIn }) });
}
