/** Epochs in one session, at most: then all begins anew. */
const MOST = 4_096;

/** What contacts were told of teams that they are in, too, in this session: how each epoch began. */
export class Told {
  /** Groups in which an epoch has begun, each time. */
  readonly entered: string[] = [];
  /** By contact: up to where of these it was told, and up to which team of those that were there before; undefined: of all. */
  readonly told = new Map<string, { next: number; after: string | undefined }>();

  enter(group: string): void {
    if (this.entered.length >= MOST) this.clear();
    this.entered.push(group);
  }

  clear(): void {
    this.entered.length = 0;
    this.told.clear();
  }
}
