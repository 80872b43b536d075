// The page's texts, by key, in its language, what symbols say of themselves, and what learners ask. They come
// once, with the header.
const { components } = window.gradio_config;
const { strings, symbols, questions } = components.find(({ props }) => props.props?.strings).props.props;

// What is said in each language: in that of the page.
export const spoken = (said) => said[document.documentElement.lang];

export { strings as text, symbols, questions };
