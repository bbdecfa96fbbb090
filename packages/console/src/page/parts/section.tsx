import type { ComponentChildren, JSX } from "preact";

/** Things of one kind, and how many; nothing where there are none. */
export function Section({
  title,
  count,
  children,
}: {
  title: string;
  count: number;
  children: ComponentChildren;
}): JSX.Element | null {
  if (count === 0) return null;
  return (
    <section aria-label={title}>
      <h3>
        {title} <span class="count">{count}</span>
      </h3>
      {children}
    </section>
  );
}
