import type { JSX } from "preact";
import { back } from "../state.ts";
import { ActButton } from "./act-button.tsx";

/** What can be said to being added to a group. */
export function Invitation({ agent, group }: { agent: string; group: string }): JSX.Element {
  const say = (as: "accept" | "refuse") => async () => back.value?.call("group", { agent, group, as });
  return (
    <>
      <ActButton label={`Join @${group}`} act={say("accept")}>
        Join
      </ActButton>
      <ActButton quiet label={`Decline @${group}`} act={say("refuse")}>
        Decline
      </ActButton>
    </>
  );
}
