// Numbers that travel as base64.

export function bytesFrom(base64) {
  const text = atob(base64);
  const out = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) out[i] = text.charCodeAt(i);
  return out;
}

export function base64From(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

// Of a file; rejects one that cannot be read.
export function base64Of(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(contentOf(reader.result));
    reader.onerror = () => reject(reader.error);
    reader.readAsDataURL(file);
  });
}

// What stands in an address that holds it: base64.
export const contentOf = (address) => address.slice(address.indexOf(",") + 1);

// The value of 16 bits in IEEE 754 half precision: 1 sign, 5 exponent and 10 fraction bits.
export function halfValue(bits) {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const sign = bits & 32768 ? -1 : 1;
  if (exponent === 31) return fraction ? NaN : sign * Infinity;
  return sign * (exponent ? 2 ** (exponent - 15) * (1 + fraction / 1024) : fraction * 2 ** -24);
}

const HALVES = Float32Array.from({ length: 65536 }, (_, bits) => halfValue(bits));

export function halfFloats(base64) {
  const halves = new Uint16Array(bytesFrom(base64).buffer);
  const out = new Float32Array(halves.length);
  for (let i = 0; i < out.length; i++) out[i] = HALVES[halves[i]];
  return out;
}
