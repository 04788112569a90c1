"""Filler text: Lorem ipsum and its variants, which look like Latin to every detector and say nothing.

Every variant is drawn from a few hundred words of Cicero (De finibus 1.32-33) and of the generators (lipsum.com,
lorem-ipsum.info, Faker). Of real Latin 17 to 40 % of the words are among them (48 texts), of filler 59 % and more.

>>> is_filler("Lorem ipsum dolor sit amet, consectetur adipiscing elit.")
True
>>> is_filler("Gallia est omnis divisa in partes tres, quarum unam incolunt Belgae.")
False
"""

import re

_VOCABULARY = """
a ac accumsan ad adipisci adipiscing aenean aliqua aliquam aliquet aliquip aliquyam amet ante aptent architecto arcu
asperiores assumenda at atque auctor augue aut autem bibendum blandit blanditiis class clita commodi commodo
condimentum congue consectetuer consectetur consequat consequatur consequuntur consetetur conubia convallis corporis
corrupti cras cubilia culpa cum cupidatat cupiditate curabitur curae cursus dapibus debitis delectus delenit deleniti
deserunt diam dicta dictum dictumst dignissim dignissimos dis distinctio do dolor dolore dolorem doloremque dolores
doloribus donec ducimus dui duis ea eaque earum egestas eget eirmod eius eiusmod eleifend elementum eligendi elit
elitr enim erat eros error esse est et etiam eu euismod eum eveniet ex excepteur excepturi exercitation exercitationem
expedita explicabo facere facilisi facilisis fames faucibus felis fermentum feugait feugiat fringilla fuga fugiat
fugit fusce gravida gubergren habitant habitasse hac harum hendrerit himenaeos iaculis id illo illum imperdiet in
incididunt incidunt integer interdum inventore invidunt ipsa ipsam ipsum iriure irure iste itaque iusto justo kasd
labore laboriosam laboris laborum lacinia lacus laoreet laudantium lectus leo libero ligula litora lobortis lorem
luctus luptatum maecenas magna magnam magni magnis maiores malesuada massa mattis mauris maxime metus mi minim minima
minus modi molestiae molestias molestie mollis mollit montes morbi mus nam nascetur natoque natus nec necessitatibus
nemo neque nesciunt netus nibh nihil nisi nisl nobis non nonummy nonumy nostra nostrud nulla nullam numquam nunc
obcaecati occaecat occaecati odio odit officia officiis omnis optio orci ornare pariatur parturient pede pellentesque
penatibus per perferendis perspiciatis pharetra phasellus placeat placerat platea porro porta porttitor possimus
posuere potenti praesent praesentium pretium primis proident proin provident pulvinar purus quae quaerat quam quasi
qui quia quibusdam quidem quis quisquam quisque quo quos ratione rebum recusandae reiciendis rem repellat repellendus
reprehenderit repudiandae rerum rhoncus ridiculus risus rutrum sadipscing saepe sagittis sanctus sapien sapiente
scelerisque sea sed sem semper senectus sequi similique sint sit sociis sociosqu sodales sollicitudin soluta stet sunt
suscipit suspendisse taciti takimata tation tellus tempor tempora tempore temporibus tempus tenetur tincidunt torquent
tortor totam tristique turpis ullam ullamco ullamcorper ultrices ultricies unde urna ut varius vehicula vel velit
venenatis veniam veritatis vero vestibulum vitae vivamus viverra voluptas voluptat voluptate voluptatem voluptates
voluptatibus voluptatum voluptua volutpat vulputate wisi zzril
"""
_WORDS = frozenset(_VOCABULARY.split())
_SHARE, _LEAST_WORDS = 0.5, 5
_WORD = re.compile(r"[^\W\d_]+")
# What stands on top of most of it, also in other letters: generators spell it in Cyrillic and on a Greek keyboard.
_OPENINGS = ("ipsum", "ипсум", "ιπσθμ", "ιπσυμ")
_LATIN = str.maketrans(
    "абвгдезийклмнопрстуфхцэαβγδεζηικλμνοπρσςτυθφχω", "abvgdezijklmnoprstufhceabgdezhiklmnoprsstuufxo"
)


def may_be_filler(text: str) -> bool:
    """Whether one of its words says so, where no detector takes the text for Latin."""
    lowered = text.lower()
    return any(word in lowered for word in _OPENINGS)


def is_filler(text: str) -> bool:
    """Whether half of the words are those of filler text."""
    words = _WORD.findall(text.lower().translate(_LATIN))
    return len(words) >= _LEAST_WORDS and sum(word in _WORDS for word in words) >= _SHARE * len(words)
