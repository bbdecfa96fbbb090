/** What hosts of assistants take from a hook, by their documents: the JSON that makes a text of ours part of the conversation. */

type Shape = (text: string, event: string) => object;

/** Beside what the model reads anyway. */
const context: Shape = (additionalContext, hookEventName) => ({
  hookSpecificOutput: { hookEventName, additionalContext },
});
/** The turn goes on, and this is why. */
const block: Shape = (reason) => ({ decision: "block", reason });
const deny: Shape = (reason) => ({ decision: "deny", reason });

/** https://code.claude.com/docs/en/hooks. That of Codex (codex-rs/hooks/schema) takes the same, and of `Stop` nothing else. */
const claude = { SessionStart: context, UserPromptSubmit: context, PostToolUse: context, Stop: block };

/** The events that may say something, by their host's names for them. */
export const hosts = {
  claude,
  codex: claude,
  /** https://hermes-agent.nousresearch.com, shell hooks; and Claude's events, whose shapes it takes. */
  hermes: { ...claude, pre_llm_call: (text: string) => ({ context: text }), pre_verify: block },
  /** https://geminicli.com/docs/hooks/reference */
  gemini: { SessionStart: context, BeforeAgent: context, AfterTool: context, AfterAgent: deny },
  /** https://cursor.com/docs/hooks. Before a prompt it takes no text. */
  cursor: {
    sessionStart: (text: string) => ({ additional_context: text }),
    postToolUse: (text: string) => ({ additional_context: text }),
    stop: (text: string) => ({ followup_message: text }),
  },
} satisfies Record<string, Record<string, Shape>>;

export type Host = keyof typeof hosts;

export function isHost(name: string): name is Host {
  return Object.hasOwn(hosts, name);
}

/** What an event of a host takes; undefined if it takes nothing, or is none of those known here. */
export function shapeOf(host: Host, event: string): Shape | undefined {
  const shapes: Record<string, Shape> = hosts[host];
  return Object.hasOwn(shapes, event) ? shapes[event] : undefined;
}
