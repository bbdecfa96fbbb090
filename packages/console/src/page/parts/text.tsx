/** Texts of others: never markup, in their own direction, and links that lead nowhere without a word. */
import { signal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";

const LINK = /https?:\/\/[^\s<>"'`\u200b-\u200f\u202a-\u202e\u2066-\u2069]{1,2000}/giu;
/** So many links of one text can be followed: more are text. */
const MOST_LINKS = 100;

/** Where somebody wants to go, and has not confirmed it. */
const target = signal<URL | undefined>(undefined);

export function Text({ text }: { text: string }): JSX.Element {
  const parts: (string | JSX.Element)[] = [];
  let end = 0;
  let count = 0;
  for (const { 0: found, index } of text.matchAll(LINK)) {
    const url = urlOf(found);
    if (url === undefined || (count += 1) > MOST_LINKS) continue;
    parts.push(text.slice(end, index));
    parts.push(
      <button type="button" class="link" onClick={() => (target.value = url)}>
        {found}
      </button>,
    );
    end = index + found.length;
  }
  return (
    <div class="text" dir="auto">
      {parts}
      {text.slice(end)}
    </div>
  );
}

function urlOf(text: string): URL | undefined {
  const url = URL.parse(text);
  // Who writes a name before the host wants to be taken for another.
  return url === null || url.username !== "" || url.password !== "" ? undefined : url;
}

/** Asks before a link is followed, and names its host as the browser will ask for it. */
export function LinkDialog(): JSX.Element | null {
  const dialog = useRef<HTMLDialogElement>(null);
  const url = target.value;
  useEffect(() => {
    if (url !== undefined) dialog.current?.showModal();
  }, [url]);
  if (url === undefined) return null;
  // Its own way to close gives the focus back.
  const close = (): void => dialog.current?.close();
  return (
    <dialog ref={dialog} onClose={() => (target.value = undefined)} aria-labelledby="follow">
      <h2 id="follow">Open {url.host}?</h2>
      <p class="mono cut">{url.href.slice(0, 500)}</p>
      <p>The link was written by somebody else. It is opened in another tab, which is not told where it came from.</p>
      <div class="row">
        <button
          type="button"
          onClick={() => {
            close();
            open(url.href, "_blank", "noopener,noreferrer");
          }}
        >
          Open {url.host}
        </button>
        <button type="button" class="quiet" onClick={close}>
          Cancel
        </button>
      </div>
    </dialog>
  );
}
