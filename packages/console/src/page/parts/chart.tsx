/** Bars by the hour, and the same as a table for those who do not see them. */
import type { JSX } from "preact";
import type { HealthView } from "../../back/port.ts";

type Hour = HealthView["hours"][number];

interface Props {
  hours: readonly Hour[];
  values: readonly { name: string; of: (hour: Hour) => number | undefined }[];
  written: (value: number) => string;
  /** Stands before the highest value. */
  upTo: string;
}

const [WIDTH, HEIGHT] = [24, 6];

export function Chart({ hours, values, written, upTo }: Props): JSX.Element {
  const most = Math.max(1, ...hours.flatMap((hour) => values.map(({ of }) => of(hour) ?? 0)));
  const isEmpty = hours.every((hour) => values.every(({ of }) => (of(hour) ?? 0) === 0));
  if (isEmpty) return <p class="empty">Nothing yet.</p>;
  const wide = 0.8 / values.length;
  const names = values.map(({ name }) => name);
  return (
    <figure class="chart">
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} preserveAspectRatio="none" aria-hidden="true">
        {hours.map((hour, at) =>
          values.map(({ name, of }, index) => {
            const height = (HEIGHT * (of(hour) ?? 0)) / most;
            return (
              <rect
                key={`${at} ${name}`}
                class={`bar${index}`}
                x={at + 0.1 + index * wide}
                y={HEIGHT - height}
                width={wide}
                height={height}
              />
            );
          }),
        )}
      </svg>
      <figcaption class="meta">
        {names.map((name, index) => (
          <span key={name}>
            <span class={`key bar${index}`} aria-hidden="true" /> {name}{" "}
          </span>
        ))}
        {upTo} {written(most)}
      </figcaption>
      <details>
        <summary>As a table</summary>
        <table>
          <thead>
            <tr>
              <th>Hour</th>
              {names.map((name) => (
                <th key={name}>{name}</th>
              ))}
            </tr>
          </thead>
          <tbody>
            {hours.map((hour) => (
              <tr key={hour.at}>
                <th>{new Date(hour.at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })}</th>
                {values.map(({ name, of }) => {
                  const value = of(hour);
                  return <td key={name}>{value === undefined ? "" : written(value)}</td>;
                })}
              </tr>
            ))}
          </tbody>
        </table>
      </details>
    </figure>
  );
}
