// A film as Python makes it. A message {film: id, info, frames: [{k, pixels, row}]} brings some frames.
// A frame's bytes are the planes of info.planes one after the other; a shape of [-1] is all the rest.
import { bytesFrom } from "./decode.js";

export class Film {
  constructor({ film, info }) {
    Object.assign(this, { id: film, info, rows: [], frames: [], planes: {} });
    let start = 0;
    for (const { name, shape } of info.planes) {
      const end = shape[0] < 0 ? undefined : start + shape.reduce((a, b) => a * b);
      this.planes[name] = { shape, start, end };
      start = end;
    }
  }

  // From what `record` gave.
  static from({ film, info, ...rest }) {
    return Object.assign(new this({ film, info }), rest);
  }

  // All of it, for a storage that keeps bytes.
  get record() {
    return { film: this.id, info: this.info, rows: this.rows, frames: this.frames };
  }

  static whole(message) {
    return new this(message).add(message);
  }

  add({ frames }) {
    for (const { k, pixels, row } of frames) {
      this.frames[k] = bytesFrom(pixels);
      if (row) this.rows[k] = row;
    }
    return this;
  }

  get last() {
    return this.frames.length - 1;
  }

  has(k) {
    return this.frames[k] !== undefined;
  }

  shape(name) {
    return this.planes[name].shape;
  }

  // The bytes of a plane of frame k.
  plane(k, name) {
    const { start, end } = this.planes[name];
    return this.frames[k].subarray(start, end);
  }
}
