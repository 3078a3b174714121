package meaning

import "strings"

// numbers are words for numbers.
var numbers = pairsOf(`
zero=0 one=1 two=2 three=3 four=4 five=5 six=6 seven=7 eight=8 nine=9 ten=10 eleven=11 twelve=12 thirteen=13 fourteen=14
fifteen=15 sixteen=16 seventeen=17 eighteen=18 nineteen=19 twenty=20 thirty=30 forty=40 fifty=50 sixty=60 seventy=70
eighty=80 ninety=90 hundred=100 thousand=1000 million=1e6 billion=1e9 dozen=12 half=1/2 third=3rd quarter=1/4 once=1x
twice=2x thrice=3x double=2x triple=3x first=1st second=2nd fourth=4th fifth=5th sixth=6th seventh=7th eighth=8th
ninth=9th tenth=10th single=1 couple=2 both=2`)

// units are units of measure, currencies, and names that are often written small: days,
// months, directions and colours.
var units = pairsOf(`
km=km kilometer=km kilometers=km kilometre=km kilometres=km m=m meter=m meters=m metre=m metres=m cm=cm centimeter=cm centimeters=cm
centimetre=cm centimetres=cm mm=mm millimeter=mm millimeters=mm mile=mile miles=mile yard=yard yards=yard foot=ft feet=ft ft=ft
inch=inch inches=inch kg=kg kilo=kg kilos=kg kilogram=kg kilograms=kg g=g gram=g grams=g mg=mg milligram=mg milligrams=mg lb=lb
lbs=lb pound=lb pounds=lb ounce=oz ounces=oz oz=oz ton=ton tons=ton tonne=tonne tonnes=tonne liter=l liters=l litre=l litres=l ml=ml
milliliter=ml milliliters=ml gallon=gal gallons=gal pint=pint pints=pint cup=cup cups=cup tablespoon=tbsp tablespoons=tbsp
teaspoon=tsp teaspoons=tsp celsius=celsius fahrenheit=fahrenheit kelvin=kelvin degree=degree degrees=degree percent=percent
seconds=s sec=s secs=s minute=min minutes=min hour=h hours=h hourly=h day=day days=day daily=day week=week weeks=week weekly=week
month=month months=month monthly=month year=year years=year yearly=year annual=year annually=year decade=decade century=century
ms=ms millisecond=ms milliseconds=ms byte=byte bytes=byte kb=kb kilobyte=kb kilobytes=kb mb=mb megabyte=mb megabytes=mb gb=gb
gigabyte=gb gigabytes=gb tb=tb terabyte=tb terabytes=tb bit=bit bits=bit watt=w watts=w kilowatt=kw kilowatts=kw volt=v volts=v
amp=a amps=a joule=joule joules=joule calorie=cal calories=cal hertz=hz dollar=usd dollars=usd usd=usd euro=eur euros=eur eur=eur
gbp=gbp sterling=gbp yen=jpy rupee=inr rupees=inr franc=chf francs=chf cent=cent cents=cent acre=acre acres=acre hectare=ha
hectares=ha square=square cubic=cubic mph=mph kph=kph knot=knot knots=knot fluid=fluid nautical=nautical
yesterday=yesterday today=today tonight=tonight tomorrow=tomorrow
monday=monday tuesday=tuesday wednesday=wednesday thursday=thursday friday=friday saturday=saturday sunday=sunday weekend=weekend
january=january february=february march=march april=april june=june july=july august=august september=september october=october
november=november december=december spring=spring summer=summer autumn=autumn fall=autumn winter=winter morning=morning noon=noon
afternoon=afternoon evening=evening night=night midnight=midnight
north=north south=south east=east west=west northern=north southern=south eastern=east western=west
red=red green=green blue=blue yellow=yellow black=black white=white orange=orange purple=purple pink=pink brown=brown grey=grey gray=grey`)

// negations of languages with Latin letters. One too many costs a hit. English ones are
// often typed without their apostrophe.
var negations = setOf(`
not no never none nor neither nothing nobody nowhere cannot without except unless hardly barely rarely seldom
nicht kein keine keinen keiner keinem keines nie niemals ohne weder ne pas jamais sans aucun aucune rien
sin nunca ningún ninguna ninguno nada tampoco non senza mai nessuno nessuna
não nao nem sem niet geen nooit zonder nie bez nigdy inte aldrig utan ej ikke aldri uten uden tidak bukan tanpa değil fără nu không
dont doesnt didnt cant couldnt wont wouldnt shouldnt isnt arent wasnt werent hasnt havent hadnt mustnt neednt aint
lack lacks lacking`)

// opposites are words of one side of a pair of opposites, and kinds of question. One side
// is enough to tell the two apart, and leaves the common words of the other side to
// paraphrases. Words of a line stand for one another.
var opposites = lines(`
off disable disables disabled disabling deactivate deactivated
remove removes removing removed delete deletes deleting erase exclude excludes excluding
stop stops stopping end ends quit terminate
cancel cancels cancelling cancelled
close closes closing closed shut
decrease decreases decreasing decreased reduce reduces reducing reduced drop shrink lower
less fewer
least minimum min lowest smallest
low
below under beneath
after following
down downward
left
outside
sell sells selling sold sale
receive receives receiving received
borrow borrows borrowed
pull
import imports importing imported
download downloads downloading downloaded
decrypt decrypts decode decodes decompress
lock locks locked
uninstall uninstalls uninstalling
reject rejects rejected deny denies denied forbid forbids forbidden refuse refuses refused block blocks blocked
disconnect disconnects disconnected
unsubscribe unsubscribes
fail fails failed failure
lose loses lost
false
negative
private
external
input
write writes writing
cold cool chill freeze
slow slower slowly
small smaller little tiny
short shorter shortest
old older oldest
late later latest
dangerous unsafe insecure risky
bad worse worst
hard harder hardest difficult
expensive dearer costly
weak weaker weakest
empty
dead
female woman women girl mother wife sister daughter
disadvantage disadvantages con cons drawback drawbacks downside
effect effects
illegal
all every always everyone
leave leaves depart departs departure
debit
withdraw withdraws withdrawal
dry
shallow
poor
thin
narrow
inner
out logout signout checkout
hide hides hiding hidden
collapse collapses collapsed
subtract subtracts minus deduct deducts
plus
multiply multiplies multiplied
divide divides divided
modulo mod
difference
quotient
descending desc
bottom
front
odd
median
next
last previous prior
seller sellers
employee employees
tenant tenants
recipient recipients receiver
borrower borrowers
parent parents
exporter exporters
loser losers
debtor debtors
ended ending
light lighter
quiet quieter
raw
few
variable
deselect deselects
invalid
incorrect
incomplete
inactive
ineligible
impossible
invisible
irreversible
incompatible
independent
inaccurate
atypical
inconsistent
irresponsible
inconvenient
insufficient
irregular
irrelevant
indirect
infinite
redo
who whom whose
when
where
why`)

// roles are words of which the one that follows tells what is done with what: from A to B is
// not from B to A.
var (
	roles    = setOf(`from into than`)
	articles = setOf(`a an the my your our his her its their this that of`)
)

// times say when something happens.
var times = pairsOf(`
was=past were=past did=past had=past ago=past previously=past formerly=past used=past
will=future shall=future upcoming=future
now=present currently=present`)

// starters are words that are no names even with a capital: they often begin a sentence.
var starters = setOf(`
a an the this that these those my your his her its our their what which who whom whose when where why how is are was were am be been do
does did has have had can could will would shall should may might must i we you he she it they there here and or but so if then else
please tell give show list explain describe define write make create name find get set help let compare summarize summarise translate
convert calculate compute solve prove suggest recommend provide state say ask answer need want looking trying in on at by to from for of
with without about as into over under after before during since until while because although not no never any some all both each every
many much more most few less least turn turning reset resetting change changing enable disable add remove delete cancel open close
start stop use using update install uninstall increase decrease buy sell send receive download upload hi hello hey thanks thank ok okay
yes also just only still first next last one two walk
quick quickly question questions wondering curious kindly dear greetings good morning regards cheers best team am i'd perhaps maybe
someone somebody anyone anybody people instructions steps best ways way guide advice tips does may`)

func setOf(list string) map[string]bool {
	set := map[string]bool{}
	for _, w := range strings.Fields(list) {
		set[w] = true
	}
	return set
}

func pairsOf(list string) map[string]string {
	m := map[string]string{}
	for _, p := range strings.Fields(list) {
		word, is, _ := strings.Cut(p, "=")
		m[word] = is
	}
	return m
}

// lines maps each word to the first one of its line.
func lines(list string) map[string]string {
	m := map[string]string{}
	for line := range strings.SplitSeq(strings.TrimSpace(list), "\n") {
		words := strings.Fields(line)
		for _, w := range words {
			m[w] = words[0]
		}
	}
	return m
}
