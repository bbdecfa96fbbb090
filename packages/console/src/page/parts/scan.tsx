/** Reads a QR code by the camera, where the browser can. */
import { useSignal } from "@preact/signals";
import type { JSX } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { attempt } from "../state.ts";

/** The Shape Detection API (https://wicg.github.io/shape-detection-api/), which not every browser has. */
interface Detector {
  detect(source: HTMLVideoElement): Promise<{ rawValue: string }[]>;
}
declare const BarcodeDetector: { new (options: { formats: string[] }): Detector } | undefined;

/** From one look at the picture to the next. Milliseconds. */
const LOOK_MS = 200;

export function Scan({ onFound }: { onFound: (text: string) => void }): JSX.Element | null {
  const isOn = useSignal(false);
  const video = useRef<HTMLVideoElement>(null);
  useEffect(() => {
    let stream: MediaStream | undefined;
    let timer: number | undefined;
    let isOver = false;
    const end = (): void => {
      isOver = true;
      clearInterval(timer);
      for (const track of stream?.getTracks() ?? []) track.stop();
    };
    if (!isOn.value) return undefined;
    void attempt(async () => {
      stream = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
      // It may have been asked for longer than it is wanted.
      if (isOver) return end();
      const picture = video.current;
      if (picture === null || BarcodeDetector === undefined) return;
      picture.srcObject = stream;
      await picture.play();
      const detector = new BarcodeDetector({ formats: ["qr_code"] });
      timer = setInterval(async () => {
        const [found] = await detector.detect(picture).catch(() => []);
        if (found === undefined) return;
        isOn.value = false;
        onFound(found.rawValue);
      }, LOOK_MS);
    });
    return end;
  }, [isOn.value]);
  if (typeof BarcodeDetector === "undefined" || navigator.mediaDevices === undefined) return null;
  return (
    <div>
      <button type="button" class="quiet" onClick={() => (isOn.value = !isOn.value)}>
        {isOn.value ? "Stop the camera" : "Scan a QR code"}
      </button>
      {isOn.value && <video ref={video} muted playsInline aria-label="Picture of the camera" />}
    </div>
  );
}
