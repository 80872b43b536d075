// Pictures on canvases, and the arithmetic of their pixels.

export const SIZE = 256; // of the picture that the tabs share

// ---- pixels ---------------------------------------------------------------------------------------------

// RGBA bytes as (width · height · 3) values in [−1, 1].
export function signedPixels(rgba) {
  const out = new Float32Array((rgba.length / 4) * 3);
  for (let i = 0, p = 0; i < out.length; i += 3, p += 4)
    for (let c = 0; c < 3; c++) out[i + c] = rgba[p + c] / 127.5 - 1;
  return out;
}

// Values in [−range, range] as bytes.
export function toBytes(values, range = 1) {
  const out = new Uint8ClampedArray(values.length);
  for (let i = 0; i < out.length; i++) out[i] = 127.5 * (values[i] / range + 1);
  return out;
}

// The difference of two pictures in bytes, `gain` times as large; grey where they agree.
export function differenceOf(one, other, gain = 1) {
  const out = new Uint8ClampedArray(one.length);
  for (let i = 0; i < out.length; i++) out[i] = 128 + gain * (one[i] - other[i]);
  return out;
}

// Root mean square of the difference of two pictures in bytes.
export function distanceBetween(one, other) {
  let sum = 0;
  for (let i = 0; i < one.length; i++) sum += (one[i] - other[i]) ** 2;
  return Math.sqrt(sum / one.length);
}

// RGBA bytes as those of `channels` channels: red, green and blue, or their luminance.
export function withChannels(rgba, channels) {
  const out = new Uint8ClampedArray((rgba.length / 4) * channels);
  for (let i = 0, p = 0; p < rgba.length; i += channels, p += 4) {
    if (channels === 1) out[i] = 0.299 * rgba[p] + 0.587 * rgba[p + 1] + 0.114 * rgba[p + 2];
    else out.set(rgba.subarray(p, p + 3), i);
  }
  return out;
}

// (count, channels, height, width) values as (count, height, width, channels).
export function channelsLast(values, [count, height, width, channels]) {
  const out = new Float32Array(values.length);
  const pixels = height * width;
  for (let i = 0, from = 0; i < count; i++)
    for (let c = 0; c < channels; c++)
      for (let p = 0; p < pixels; p++) out[(i * pixels + p) * channels + c] = values[from++];
  return out;
}

// Every n-th pixel of a square RGB picture in both directions, so that `size` × `size` are left.
export function thinned(values, size) {
  const full = Math.sqrt(values.length / 3);
  const stride = full / size;
  const out = new Float32Array(size * size * 3);
  for (let y = 0, i = 0; y < size; y++)
    for (let x = 0; x < size; x++)
      for (let c = 0; c < 3; c++, i++) out[i] = values[(y * stride * full + x * stride) * 3 + c];
  return out;
}

// ---- canvases -------------------------------------------------------------------------------------------

// A canvas of size × size pixels that mixes a · x + b · y straight into its pixels.
export class Picture {
  constructor(canvas, size = SIZE) {
    canvas.width = canvas.height = size;
    this.context = canvas.getContext("2d");
    this.image = this.context.createImageData(size, size);
    this.image.data.fill(255);
  }

  // grey = round(127.5 · (a·x + b·y + 1)), cut off at 0 and 255; the array does rounding and cutting.
  mix(x, a, y, b) {
    const out = this.image.data;
    const scaledA = 127.5 * a;
    const scaledB = 127.5 * b;
    for (let i = 0, p = 0; i < x.length; i += 3, p += 4) {
      out[p] = scaledA * x[i] + scaledB * y[i] + 127.5;
      out[p + 1] = scaledA * x[i + 1] + scaledB * y[i + 1] + 127.5;
      out[p + 2] = scaledA * x[i + 2] + scaledB * y[i + 2] + 127.5;
    }
    this.context.putImageData(this.image, 0, 0);
  }

  show(x, range = 1) {
    this.mix(x, 1 / range, x, 0);
  }
}

// As square as it gets without empty places, if that is not much wider than high.
export function columnsFor(count) {
  const square = Math.ceil(Math.sqrt(count));
  for (let columns = square; columns <= 2 * square - 1; columns++) if (count % columns === 0) return columns;
  return square;
}

// Small pictures in one canvas, one pixel of theirs a pixel of its.
export class Grid {
  constructor(canvas) {
    this.canvas = canvas;
    this.context = canvas.getContext("2d");
  }

  resize(count, [height, width, channels], columns = columnsFor(count)) {
    Object.assign(this, { count, height, width, channels, columns });
    this.canvas.width = columns * width;
    this.canvas.height = Math.ceil(count / columns) * height;
    this.canvas.style.setProperty("--aspect", this.aspect);
    this.image = this.context.createImageData(this.canvas.width, this.canvas.height);
  }

  // Width / height.
  get aspect() {
    return this.canvas.width / this.canvas.height;
  }

  // A latent's channels as so many grey pictures.
  resizeForLatent([channels, height, width], columns = Math.ceil(channels / 2)) {
    this.resize(channels, [height, width, 1], columns);
  }

  // Column k of a picture that has a row for each of these.
  showColumn(picture, k) {
    const { width, height, columns } = this;
    for (let i = 0; i < this.count; i++) {
      const [left, top] = [(i % columns) * width, Math.floor(i / columns) * height];
      this.context.drawImage(picture, k * width, i * height, width, height, left, top, width, height);
    }
  }

  // bytes: (count, height, width, channels).
  show(bytes) {
    const out = this.image.data;
    const [green, blue] = this.channels > 1 ? [1, 2] : [0, 0];
    let from = 0;
    for (let i = 0; i < this.count; i++) {
      const left = (i % this.columns) * this.width;
      const top = Math.floor(i / this.columns) * this.height;
      for (let y = 0; y < this.height; y++) {
        let to = ((top + y) * this.canvas.width + left) * 4;
        for (let x = 0; x < this.width; x++, to += 4, from += this.channels) {
          out[to] = bytes[from];
          out[to + 1] = bytes[from + green];
          out[to + 2] = bytes[from + blue];
          out[to + 3] = 255;
        }
      }
    }
    this.context.putImageData(this.image, 0, 0);
  }
}
