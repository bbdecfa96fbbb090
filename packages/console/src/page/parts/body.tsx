/** What a message says: its text, the rest of a long one when that is asked for, and its files. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import type { LineView } from "../../back/port.ts";
import { back } from "../state.ts";
import { ActButton } from "./act-button.tsx";
import { Files } from "./files.tsx";
import { Text } from "./text.tsx";

interface Props {
  line: LineView;
  agent: string;
  /** Where it stands; undefined: it waits, or was given up. */
  with?: string;
  /** Another way to all of its text. */
  readWhole?: () => Promise<string | undefined>;
}

export function Body({ line, agent, with: name, readWhole }: Props): JSX.Element {
  const whole = useSignal<string | undefined>(undefined);
  const read = async (): Promise<string | undefined> => {
    const given = { agent, id: line.id, ...(name === undefined ? {} : { with: name }) };
    return (await back.value?.call("whole", given))?.body;
  };
  return (
    <>
      {line.instead === undefined ? <Text text={whole.value ?? line.body} /> : <p class="instead">{line.instead}</p>}
      {line.more > 0 && whole.value === undefined && (
        <ActButton quiet act={async () => (whole.value = await (readWhole ?? read)())}>
          Show {line.more} more characters
        </ActButton>
      )}
      <Files line={line} agent={agent} />
    </>
  );
}
