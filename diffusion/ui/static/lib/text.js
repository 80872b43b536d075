// The page's texts, by key, in its language, what symbols say of themselves, and what learners ask: in a file
// of which the header tells.
const { words } = window.gradio_config.components.find(({ props }) => props.props?.words).props.props;
const { strings, symbols, questions } = await (await fetch(words)).json();

// What is said in each language: in that of the page.
export const spoken = (said) => said[document.documentElement.lang];

export { strings as text, symbols, questions };
