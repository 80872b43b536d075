// What of the page's address is its state. The language, what a teacher hides, and what others put there are
// none of it.
const OTHERS = /^(lang|hide|present|utm_\w*|fbclid|logs|__\w*)$/;

const parts = () => [...new URLSearchParams(location.search)];

// The state that stands in the address, as [name, value] pairs.
export const inAddress = () => parts().filter(([name]) => !OTHERS.test(name));

export const asked = inAddress(); // when the page was opened

// An address's query with this state, which is such pairs.
export function queryOf(state) {
  const others = parts().filter(([name]) => OTHERS.test(name));
  const query = new URLSearchParams([...others, ...state]).toString();
  return query && `?${query}`;
}

// A state as text, to see whether it is another.
export const textOf = (state) => new URLSearchParams(state).toString();
