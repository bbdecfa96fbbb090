/** Search over the texts that are kept, where the agents live: the relay never hears what is looked for. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Found } from "@aimessage/sdk";
import { followKeys, moveFocus } from "../keys.ts";
import { many, visible, when } from "../parts/words.ts";
import { attempt, back, hrefOf } from "../state.ts";

/** Who types on is not asked for each letter. Milliseconds. */
const PAUSE_MS = 200;
const RESULTS = ".found a";

export function Search({ agent }: { agent: string }): JSX.Element {
  const text = useSignal("");
  const found = useSignal<Found[] | undefined>(undefined);
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  useEffect(() => {
    const asked = text.value;
    const timer = setTimeout(async () => {
      const all =
        asked === "" ? undefined : await attempt(async () => back.value?.call("search", { agent, text: asked }));
      if (text.value === asked) found.value = all;
    }, PAUSE_MS);
    return () => clearTimeout(timer);
  }, [text.value, agent]);
  useEffect(
    () => followKeys({ next: () => moveFocus(RESULTS, 1), previous: () => moveFocus(RESULTS, -1), isFor: () => true }),
    [],
  );
  return (
    <div class="page">
      <h2>Search</h2>
      <input
        ref={field}
        type="search"
        aria-label="Text to look for"
        placeholder="In all texts that are kept"
        value={text.value}
        dir="auto"
        onInput={(event) => (text.value = event.currentTarget.value)}
        onKeyDown={(event) => {
          if (event.key === "Escape") event.currentTarget.blur();
          if (event.key === "ArrowDown" || event.key === "Enter") moveFocus(RESULTS, 1);
        }}
      />
      <p role="status">
        {found.value === undefined
          ? ""
          : found.value.length === 100
            ? "The newest 100"
            : many(found.value.length, "message")}
      </p>
      <ul class="found">
        {found.value?.map((each) => (
          <li key={`${each.own} ${each.id}`}>
            <a href={hrefOf({ agent, view: "talk", with: each.with, at: each.id })}>
              <span class="meta">
                {each.own ? `To ${visible(each.with)}` : visible(each.with)}, {when(each.at)}
              </span>
              <span class="text" dir="auto">
                {each.excerpt.slice(0, each.from)}
                <mark>{each.excerpt.slice(each.from, each.to)}</mark>
                {each.excerpt.slice(each.to)}
              </span>
            </a>
          </li>
        ))}
      </ul>
    </div>
  );
}
