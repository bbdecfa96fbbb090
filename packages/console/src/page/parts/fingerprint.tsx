import type { JSX } from "preact";

/** A fingerprint in groups of four, to be read aloud and compared. */
export function Fingerprint({ of }: { of: string }): JSX.Element | null {
  if (of === "") return null;
  const groups = of.replaceAll(" ", "").match(/.{1,4}/g) ?? [];
  return (
    <code class="fingerprint" aria-label={`Fingerprint ${groups.join(" ")}`}>
      {groups.map((group, at) => (
        <span key={at}>{group}</span>
      ))}
    </code>
  );
}
