package language_test

import (
	"context"
	"fmt"

	"github.com/trustcheck/trustcheck/breadth/language"
)

func Example() {
	ctx := context.Background()
	limits := language.Limits{}
	wanted, err := limits.Compile(ctx, `\A(?s:mygroup.*/app)\z`)
	if err != nil {
		panic(err)
	}
	meant, err := limits.Compile(ctx, `\A(?s:mygroup/.*)\z`)
	if err != nil {
		panic(err)
	}
	stray, err := limits.Minus(ctx, wanted, meant)
	if err != nil {
		panic(err)
	}
	fmt.Println(stray.Shortest())
	// Output: mygroupx/app true
}
