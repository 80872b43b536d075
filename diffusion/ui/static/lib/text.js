// The page's texts, by key, in its language, and what symbols say of themselves. They come once, with the
// header.
const { components } = window.gradio_config;
const { strings, symbols } = components.find(({ props }) => props.props?.strings).props.props;

export { strings as text, symbols };
