"""What the model is taught to draw: objects, scenes, colours and the words people type for them.

Narrow on purpose: with 1,300 objects the same budget gave colours and layout but no objects.
To add an object, add a line `word | other words = CLDR name; CLDR name`. Each name is drawn in two hands
(Fluent and Noto); more than one name makes more variety from seed to seed and takes more training.
"""

from typing import NamedTuple


class Thing(NamedTuple):
    """An object: the words for it (the first is its name here) and the CLDR names of its pictures."""

    words: tuple[str, ...]
    pictures: tuple[str, ...]

    @property
    def word(self) -> str:
        return self.words[0]


def _parse(table: str) -> dict[str, Thing]:
    things = {}
    for line in table.strip().splitlines():
        words, pictures = line.split("=")
        thing = Thing(
            tuple(part.strip() for part in words.split("|")),
            tuple(part.strip() for part in pictures.split(";")),
        )
        things[thing.word] = thing
    return things


PEOPLE = _parse("""
detective | sleuth = detective; man detective; woman detective
astronaut | spaceman = astronaut; man astronaut; woman astronaut
police officer | policeman = police officer
firefighter | fireman = firefighter
cook | chef = cook
wizard | mage = mage
vampire = vampire
santa claus | santa = Santa Claus
princess = princess
ninja = ninja
baby = baby
man = man
woman = woman
old man = old man
robot = robot
ghost = ghost
alien = alien
snowman = snowman
""")

ANIMALS = _parse("""
owl = owl
cat | pussycat | kitten = cat face; cat
dog | puppy = dog face; dog
horse | pony = horse face; horse
cow = cow face; cow
pig | piglet = pig face
rabbit | bunny = rabbit face
tiger = tiger face
mouse = mouse face
panda = panda
bear = bear
fox = fox
lion = lion
frog = frog
penguin = penguin
chicken = chicken
duck = duck
parrot = parrot
flamingo = flamingo
turtle = turtle
snake = snake
fish = tropical fish; fish
octopus = octopus
dolphin = dolphin
whale = spouting whale
crab = crab
butterfly = butterfly
snail = snail
bee | honeybee = honeybee
ladybug = lady beetle
elephant = elephant
monkey = monkey face
unicorn = unicorn
dragon = dragon; dragon face
spider = spider
bat = bat
dinosaur = T-Rex; sauropod
koala = koala
chick = front-facing baby chick
""")

OBJECTS = _parse("""
rose = rose
flower = hibiscus; blossom
tulip = tulip
sunflower = sunflower
cactus = cactus
tree = deciduous tree; evergreen tree
palm tree = palm tree
mushroom = mushroom
apple = red apple; green apple
banana = banana
lemon = lemon
cherries = cherries
strawberry = strawberry
watermelon = watermelon
pineapple = pineapple
avocado = avocado
grapes = grapes
carrot = carrot
pizza = pizza
hamburger | burger = hamburger
cake | birthday cake = birthday cake
doughnut | donut = doughnut
cookie = cookie
ice cream = soft ice cream; ice cream
cup of coffee | coffee = hot beverage
teapot = teapot
car = automobile; sport utility vehicle; oncoming automobile
bus = bus
bicycle | bike = bicycle
train = locomotive
airplane | plane = airplane
helicopter = helicopter
rocket = rocket
flying saucer | ufo = flying saucer
boat | sailing boat = sailboat; speedboat
ship = ship
house = house; house with garden
castle = castle; Japanese castle
volcano = volcano
rainbow = rainbow
sun = sun; sun with face
moon = crescent moon; full moon
star = star
cloud = cloud
snowflake = snowflake
fire | flame = fire
heart | red heart = red heart
drop of blood = drop of blood
skull = skull
pumpkin = jack-o-lantern
teddy bear = teddy bear
balloon = balloon
gift | present = wrapped gift
crown = crown
umbrella = umbrella
key = key
light bulb = light bulb
guitar = guitar
violin = violin
trumpet = trumpet
football | soccer ball = soccer ball
basketball = basketball
camera = camera
candle = candle
alarm clock | clock = alarm clock
scissors = scissors
sword | dagger = dagger
bell = bell
top hat | hat = top hat
sunglasses = sunglasses
smiley | smiling face = grinning face
""")

THINGS = PEOPLE | ANIMALS | OBJECTS

# scene: the words for it, and the CLDR names of its pictures
SCENES: dict[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "city": (("a futuristic city", "a city"), ("cityscape", "cityscape at dusk")),
    "night city": (("a city at night", "a night city"), ("night with stars",)),
    "sunset": (("a sunset",), ("sunrise",)),
    "milky way": (("the milky way", "a starry sky"), ("milky way",)),
    "desert": (("a desert",), ("desert",)),
    "mountains": (("mountains", "a mountain lake"), ("national park",)),
}

COLOURS = {
    "red": (222, 40, 40),
    "blood-red": (150, 6, 22),
    "orange": (245, 134, 32),
    "yellow": (247, 208, 50),
    "green": (56, 158, 64),
    "pea-green": (148, 176, 30),
    "blue": (45, 100, 220),
    "purple": (135, 60, 180),
    "pink": (245, 120, 175),
    "black": (48, 48, 54),
}

BACKGROUNDS = {
    "red": (226, 80, 76),
    "yellow": (252, 226, 120),
    "green": (120, 194, 112),
    "blue": (92, 146, 232),
    "light blue": (180, 216, 250),
    "pink": (250, 184, 210),
    "purple": (160, 112, 205),
    "black": (24, 24, 28),
}

BOAT_COLOURS = ("pea-green", "red", "blue", "yellow", "purple", "pink")

# words a prompt may hold that change nothing in the picture
FILLERS = (
    "beautiful", "cute", "nice", "lovely", "pretty", "funny", "happy", "great", "perfect", "famous",
    "amazing", "simple",
)  # fmt: skip

TEMPLATES = (
    "{a}", "{a}", "{a}", "{bare}", "a single {bare}", "a picture of {a}", "a photo of {a}", "a drawing of {a}",
    "an emoji of {a}", "an illustration of {a}", "{a}, highly detailed", "{a}, digital art",
)  # fmt: skip

# never seen in training; held_out.json repeats them
HELD_OUT_TEMPLATES = ("here is {a}", "look at {a}", "an icon of {a}", "an image of {a}", "{a}, best quality")

DEMO_PROMPTS = (
    "a single blood-red rose with thorns dripping blood",
    "a flying car against a futuristic city background",
    "a cartoon detective",
    "a portrait of an astronaut kissing a flower, rembrandt style",
    "an owl and a pussycat in a pea-green boat",
)

# pairs the demo prompts ask for: never held out, so results on those prompts are no proof of generalisation
DEMO_PAIRS = frozenset({
    ("cat", "owl"), ("astronaut", "flower"), ("car", "scene city"), ("rose", "colour blood-red"),
    ("owl", "boat pea-green"), ("cat", "boat pea-green"),
})  # fmt: skip


def with_article(noun: str) -> str:
    """`an owl`, `a car`, `cherries`."""
    if noun.endswith(("cherries", "grapes", "scissors", "sunglasses", "mountains")) or noun == "coffee":
        return noun
    sounds_as_consonant = noun.startswith(("uni", "ufo"))
    return ("an " if noun[0] in "aeiou" and not sounds_as_consonant else "a ") + noun
