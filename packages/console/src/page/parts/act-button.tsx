import { useSignal } from "@preact/signals";
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { attempt } from "../state.ts";

interface Props {
  children: ComponentChildren;
  act: () => Promise<unknown>;
  /** What is asked before it is done. */
  sure?: string;
  quiet?: boolean;
  /** What it is of, for those who do not see what stands beside it. */
  label?: string;
}

/** Does one thing, once at a time. What cannot be taken back asks first, in its own place. */
export function ActButton({ children, act, sure, quiet = false, label }: Props): JSX.Element {
  const isBusy = useSignal(false);
  const isAsking = useSignal(false);
  const button = useRef<HTMLButtonElement>(null);
  const yes = useRef<HTMLButtonElement>(null);
  const wasAsking = useRef(false);
  // Once: whatever is drawn anew meanwhile must not take the focus from where somebody types.
  useEffect(() => {
    if (isAsking.value) yes.current?.focus();
    else if (wasAsking.current) button.current?.focus();
    wasAsking.current = isAsking.value;
  }, [isAsking.value]);
  const run = async (): Promise<void> => {
    isAsking.value = false;
    if (isBusy.value) return;
    isBusy.value = true;
    await attempt(act);
    isBusy.value = false;
  };
  if (isAsking.value)
    return (
      <span
        class="row"
        role="group"
        aria-label={sure}
        onKeyDown={(event) => {
          if (event.key !== "Escape") return;
          event.preventDefault();
          isAsking.value = false;
        }}
      >
        <span>{sure}</span>
        <button type="button" onClick={() => void run()} ref={yes}>
          Yes
        </button>
        <button type="button" class="quiet" onClick={() => (isAsking.value = false)}>
          No
        </button>
      </span>
    );
  return (
    <button
      type="button"
      ref={button}
      class={quiet ? "quiet" : ""}
      // One that is disabled would lose the focus.
      aria-disabled={isBusy.value}
      aria-label={label}
      onClick={() => (sure === undefined ? void run() : (isAsking.value = true))}
    >
      {children}
    </button>
  );
}
