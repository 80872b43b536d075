// The page's texts, by key, in its language. They come once, with the header.
const { components } = window.gradio_config;

export const text = components.find(({ props }) => props.props?.strings).props.props.strings;
