// Deflate (RFC 1951), as zlib writes it without a header. The browser has it too, but not at once.

const BASE = { length: [3, 4, 5, 6, 7, 8, 9, 10], distance: [1, 2, 3, 4] }; // grown below
const EXTRA = { length: Array(8).fill(0), distance: Array(4).fill(0) }; // bits that are added to them
const ORDER = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
const MOST = 15; // bits of a symbol

// Each further group of symbols has one more extra bit: four symbols for lengths, two for distances.
for (const [kind, group, count] of [["length", 4, 28], ["distance", 2, 30]])
  for (let i = BASE[kind].length; i < count; i++) {
    EXTRA[kind][i] = EXTRA[kind][i - group] + 1;
    BASE[kind][i] = BASE[kind][i - 1] + 2 ** EXTRA[kind][i - 1];
  }
BASE.length.push(258);
EXTRA.length.push(0);

const FIXED = {
  literals: symbolTable(Array.from({ length: 288 }, (_, i) => (i < 144 ? 8 : i < 256 ? 9 : i < 280 ? 7 : 8))),
  distances: symbolTable(Array(30).fill(5)),
};

// For any next MOST bits, 16 × the symbol that they begin with + how many bits it has.
function symbolTable(lengths) {
  const table = new Uint16Array(2 ** MOST);
  let code = 0;
  for (let bits = 1; bits <= MOST; bits++, code *= 2)
    lengths.forEach((length, symbol) => {
      if (length !== bits) return;
      const first = reversed(code++, bits);
      for (let i = first; i < table.length; i += 2 ** bits) table[i] = 16 * symbol + bits;
    });
  return table;
}

function reversed(code, bits) {
  let out = 0;
  for (let i = 0; i < bits; i++) out |= ((code >> i) & 1) << (bits - 1 - i);
  return out;
}

class Bits {
  place = 0; // of the next byte
  held = 0; // bits that were read and not taken
  count = 0; // of them

  constructor(bytes) {
    this.bytes = bytes;
  }

  hold(number) {
    for (; this.count < number; this.count += 8) this.held |= this.bytes[this.place++] << this.count;
  }

  // How many bytes were taken, the last perhaps in part.
  get used() {
    return this.place - (this.count >> 3);
  }

  drop(number) {
    this.held >>>= number;
    this.count -= number;
    if (this.used > this.bytes.length) throw new RangeError("a deflated stream ends too early");
  }

  take(number) {
    this.hold(number);
    const value = this.held & (2 ** number - 1);
    this.drop(number);
    return value;
  }

  symbol(table) {
    this.hold(MOST);
    const entry = table[this.held & (2 ** MOST - 1)];
    if (entry === 0) throw new RangeError("a deflated stream has no such symbol");
    this.drop(entry & 15);
    return entry >> 4;
  }
}

// `bytes` as they were before, `most` bytes or fewer. Throws a RangeError if they cannot have been that.
export function inflated(bytes, most) {
  const bits = new Bits(bytes);
  const out = new Uint8Array(most);
  let to = 0;
  for (let last = 0; !last; ) {
    last = bits.take(1);
    const kind = bits.take(2);
    if (kind === 3) throw new RangeError("a deflated stream has no such block");
    if (kind === 0) to = copyStored(bits, out, to);
    else to = copyCoded(bits, out, to, kind === 1 ? FIXED : readTables(bits));
  }
  if (bits.used < bytes.length) throw new RangeError("a deflated stream ends too late");
  return out.subarray(0, to);
}

// Where a copy of `length` bytes from `distance` before `to` ends; neither is a number of an unused symbol.
function endOfCopy(out, to, length, distance = 0) {
  if (to + length <= out.length && distance <= to) return to + length;
  throw new RangeError("a deflated stream copies what is not there, or has too much");
}

function copyStored(bits, out, to) {
  bits.drop(bits.count % 8);
  const end = endOfCopy(out, to, bits.take(16));
  bits.take(16); // the number again, inverted
  for (; to < end; to++) out[to] = bits.take(8);
  return to;
}

function copyCoded(bits, out, to, { literals, distances }) {
  for (let symbol = bits.symbol(literals); symbol !== 256; symbol = bits.symbol(literals)) {
    if (symbol < 256) {
      const end = endOfCopy(out, to, 1);
      out[to] = symbol;
      to = end;
      continue;
    }
    const length = BASE.length[symbol - 257] + bits.take(EXTRA.length[symbol - 257]);
    const far = bits.symbol(distances);
    const distance = BASE.distance[far] + bits.take(EXTRA.distance[far]);
    for (const end = endOfCopy(out, to, length, distance); to < end; to++) out[to] = out[to - distance];
  }
  return to;
}

// The symbols of a block with its own, of which the lengths come first, in symbols themselves.
function readTables(bits) {
  const numLiterals = bits.take(5) + 257;
  const number = numLiterals + bits.take(5) + 1;
  const short = Array(19).fill(0);
  const numShort = bits.take(4) + 4;
  for (let i = 0; i < numShort; i++) short[ORDER[i]] = bits.take(3);
  const table = symbolTable(short);
  const lengths = [];
  while (lengths.length < number) {
    const symbol = bits.symbol(table);
    if (symbol < 16) lengths.push(symbol);
    else if (symbol === 16) lengths.push(...Array(bits.take(2) + 3).fill(lengths.at(-1)));
    else lengths.push(...Array(symbol === 17 ? bits.take(3) + 3 : bits.take(7) + 11).fill(0));
  }
  return {
    literals: symbolTable(lengths.slice(0, numLiterals)),
    distances: symbolTable(lengths.slice(numLiterals)),
  };
}
