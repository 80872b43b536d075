// What of the page's address is its state. The language, what a teacher hides, and what others put there are
// none of it.
const OTHERS = /^(lang|hide|present|utm_\w*|fbclid|logs|__\w*)$/;

const parts = [...new URLSearchParams(location.search)];

// [name, value] pairs, as they stood when the page was opened.
export const asked = parts.filter(([name]) => !OTHERS.test(name));

// An address's query with this state, which is such pairs.
export function queryOf(state) {
  const others = [...new URLSearchParams(location.search)].filter(([name]) => OTHERS.test(name));
  const query = new URLSearchParams([...others, ...state]).toString();
  return query && `?${query}`;
}

// A state as text, to see whether it is another.
export const textOf = (state) => new URLSearchParams(state).toString();
