// The page's texts, by key, in its language, what symbols say of themselves, and what learners ask. They come
// once, with the header.
const { components } = window.gradio_config;
const { strings, symbols, questions } = components.find(({ props }) => props.props?.strings).props.props;

export { strings as text, symbols, questions };
