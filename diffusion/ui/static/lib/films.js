// Which sort of film a message or a record is of.
import { Film } from "./film.js";
import { WalkedFilm } from "./walked_film.js";

export const sortOf = ({ info }) => (info.walk ? WalkedFilm : Film);
